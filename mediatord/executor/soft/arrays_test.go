package soft

import (
	"bytes"
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

// bytesArray describes an array of bytes.
func bytesArray(width, height, depth uint64, flags uint32) []byte {
	d := make([]byte, 40)
	binary.LittleEndian.PutUint64(d, width)
	binary.LittleEndian.PutUint64(d[8:], height)
	binary.LittleEndian.PutUint64(d[16:], depth)
	binary.LittleEndian.PutUint32(d[24:], 1)
	binary.LittleEndian.PutUint32(d[28:], 1)
	binary.LittleEndian.PutUint32(d[32:], flags)
	return d
}

func TestCopiesToAndFromArrays(t *testing.T) {
	d := open(t)
	b, address := hostMemory(t, d, 1<<16)
	for i := range b {
		b[i] = byte(i * 7)
	}
	a, r := d.ArrayCreate(bytesArray(50, 20, 3, 0))
	if r != driver.Success {
		t.Fatal(r)
	}
	inside := driver.Copy3DEnd{XBytes: 10, Y: 2, Z: 1, Type: driver.MemoryArray, Address: uint64(a)}
	there := driver.Copy3D{Src: driver.Copy3DEnd{Type: driver.MemoryHost, Address: address, Pitch: 64, Height: 20}, Dst: inside, WidthBytes: 30, Height: 18, Depth: 2}
	back := driver.Copy3D{Src: inside, Dst: driver.Copy3DEnd{Type: driver.MemoryHost, Address: address + 32768, Pitch: 64, Height: 20}, WidthBytes: 30, Height: 18, Depth: 2}
	for _, c := range []*driver.Copy3D{&there, &back} {
		if r := d.Copy3D(c, 0); r != driver.Success {
			t.Fatal(r)
		}
	}
	if r := d.Synchronize(0); r != driver.Success {
		t.Fatal(r)
	}
	for row := range 2 * 20 {
		from, to := b[row*64:row*64+30], b[32768+row*64:32768+row*64+30]
		if row%20 < 18 && !bytes.Equal(from, to) {
			t.Errorf("row %d differs", row)
		}
	}
	for name, change := range map[string]func(*driver.Copy3D){
		"x":   func(c *driver.Copy3D) { c.Src.XBytes = 21 },
		"y":   func(c *driver.Copy3D) { c.Src.Y = 3 },
		"z":   func(c *driver.Copy3D) { c.Src.Z = 2 },
		"far": func(c *driver.Copy3D) { c.Src.XBytes = 1 << 63 },
	} {
		c := back
		change(&c)
		if r := d.Copy3D(&c, 0); r != driver.ErrorInvalidValue {
			t.Errorf("beyond %s: %d", name, r)
		}
	}
	free, _, _ := d.MemoryInfo()
	if r := d.ArrayDestroy(a); r != driver.Success {
		t.Error(r)
	}
	if after, _, _ := d.MemoryInfo(); after <= free {
		t.Error("an array's end frees nothing")
	}
}

func TestArraysThatNoGPUHas(t *testing.T) {
	d := open(t)
	for name, tc := range map[string][]byte{
		"width 0":     bytesArray(0, 1, 0, 0),
		"wide":        bytesArray(131073, 0, 0, 0),
		"high":        bytesArray(1, 65537, 0, 0),
		"deep":        bytesArray(1, 1, 16385, 0),
		"no height":   bytesArray(1, 0, 1, 0),
		"no layers":   bytesArray(16, 16, 0, arrayLayered),
		"half a cube": bytesArray(16, 16, 3, arrayCubemap),
		"no square":   bytesArray(16, 8, 6, arrayCubemap),
		"flags":       bytesArray(16, 16, 0, 0x1000),
	} {
		if _, r := d.ArrayCreate(tc); r != driver.ErrorInvalidValue {
			t.Errorf("%s: %d", name, r)
		}
	}
	d1 := bytesArray(4, 4, 0, 0)
	d1[24] = 0x77
	if _, r := d.ArrayCreate(d1); r != driver.ErrorInvalidValue {
		t.Errorf("format: %d", r)
	}
}

func TestMipmapLevels(t *testing.T) {
	d := open(t)
	m, r := d.MipmapCreate(bytesArray(16, 4, 0, 0), 99)
	if r != driver.Success {
		t.Fatal(r)
	}
	for level, want := range [][2]uint64{{16, 4}, {8, 2}, {4, 1}, {2, 1}, {1, 1}} {
		a, r := d.MipmapLevel(m, uint32(level))
		if r != driver.Success {
			t.Fatalf("level %d: %d", level, r)
		}
		descriptor, _ := d.ArrayDescriptor(a)
		if w, h := binary.LittleEndian.Uint64(descriptor[:]), binary.LittleEndian.Uint64(descriptor[8:]); w != want[0] || h != want[1] {
			t.Errorf("level %d is %d by %d, want %v", level, w, h, want)
		}
	}
	if _, r := d.MipmapLevel(m, 5); r != driver.ErrorInvalidValue {
		t.Errorf("level 5: %d", r)
	}
	if r := d.MipmapDestroy(m); r != driver.Success {
		t.Error(r)
	}
	if len(d.arrays.items) != 0 {
		t.Errorf("%d levels left", len(d.arrays.items))
	}
}

func TestLinkedTextsLoad(t *testing.T) {
	d := open(t)
	l, _ := d.LinkCreate(&driver.JIT{ErrorSize: 12})
	for i, name := range []string{"first", "second"} {
		if r := d.LinkAdd(l, inputPTX, []byte(ptxFor("sm_70", name)), name, &driver.JIT{}); r != driver.Success {
			t.Fatalf("input %d: %d", i, r)
		}
	}
	linked, r := d.LinkComplete(l)
	if r != driver.Success {
		t.Fatal(r)
	}
	m, r := d.ModuleLoad(linked, &driver.JIT{})
	if r != driver.Success {
		t.Fatal(r)
	}
	for _, name := range []string{"first", "second"} {
		if _, r := d.ModuleFunction(m, name); r != driver.Success {
			t.Errorf("%s: %d", name, r)
		}
	}
	if r := d.LinkAdd(l, inputPTX, []byte(".version 7.0\n.target sm_70\n.address_size 64\nnonsense"), "bad", &driver.JIT{}); r != driver.ErrorInvalidPTX {
		t.Errorf("nonsense: %d", r)
	}
	if s := d.LinkState(l); len(s.Error) != 12 || s.ErrorSize != 12 {
		t.Errorf("the error log is %q", s.Error)
	}
	if r := d.LinkAdd(l, 4, []byte("!<arch>\n"), "", &driver.JIT{}); r != driver.ErrorNoBinaryForGPU {
		t.Errorf("library: %d", r)
	}
}
