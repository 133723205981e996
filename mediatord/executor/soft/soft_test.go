package soft

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

func open(t *testing.T) *Driver {
	t.Helper()
	return openWith(t, "")
}

// openWith opens one that shares its memory, unless the path of the ledger is "".
func openWith(t *testing.T, path string) *Driver {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	d, err := Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// ptxFor is a text whose only kernel tells texts apart.
func ptxFor(target, kernel string) string {
	return ".version 7.0\n.target " + target + "\n.address_size 64\n.visible .entry " + kernel + "() { ret; }\n"
}

// fatbin packs raw entries: kind, architecture, ISA version, code.
func fatbin(entries ...fatbinEntry) []byte {
	var body []byte
	for _, e := range entries {
		code := append([]byte(e.code), make([]byte, 8-len(e.code)%8)...)
		h := make([]byte, 64)
		binary.LittleEndian.PutUint16(h, e.kind)
		binary.LittleEndian.PutUint32(h[4:], 64)
		binary.LittleEndian.PutUint64(h[8:], uint64(len(code)))
		binary.LittleEndian.PutUint16(h[24:], e.isa%10)
		binary.LittleEndian.PutUint16(h[26:], e.isa/10)
		binary.LittleEndian.PutUint32(h[28:], e.arch)
		body = append(append(body, h...), code...)
	}
	head := []byte{0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0}
	return append(binary.LittleEndian.AppendUint64(head, uint64(len(body))), body...)
}

type fatbinEntry struct {
	kind uint16
	arch uint32
	isa  uint16
	code string
}

func TestLoadPicksTheBestText(t *testing.T) {
	const text, cubin = 1, 2
	for name, tc := range map[string]struct {
		entries []fatbinEntry
		want    driver.Result
		kernel  string
	}{
		"highest that fits": {[]fatbinEntry{
			{text, 50, 70, ptxFor("sm_50", "old")}, {text, 90, 80, ptxFor("sm_90", "best")}, {text, 80, 80, ptxFor("sm_80", "good")},
			{text, 100, 86, ptxFor("sm_100", "future")}, {cubin, 90, 17, "machine code"},
		}, driver.Success, "best"},
		"one that is for another device": {[]fatbinEntry{
			{text, 90, 80, ptxFor("sm_90x", "odd")}, {text, 80, 80, ptxFor("sm_80", "good")},
		}, driver.Success, "good"},
		"only machine code":  {[]fatbinEntry{{cubin, 90, 17, "machine code"}}, driver.ErrorNoBinaryForGPU, ""},
		"only newer devices": {[]fatbinEntry{{text, 100, 80, ptxFor("sm_100", "future")}}, driver.ErrorNoBinaryForGPU, ""},
		"only newer ISA":     {[]fatbinEntry{{text, 75, 130, ptxFor("sm_75", "future")}}, driver.ErrorUnsupportedPTX, ""},
		"bad text":           {[]fatbinEntry{{text, 75, 70, "rubbish"}}, driver.ErrorInvalidPTX, ""},
		"nothing":            {nil, driver.ErrorNoBinaryForGPU, ""},
	} {
		d := open(t)
		l, r := d.LibraryLoad(fatbin(tc.entries...), &driver.JIT{})
		if r != tc.want {
			t.Errorf("%s: result %d, want %d", name, r, tc.want)
			continue
		}
		if tc.want != driver.Success {
			continue
		}
		if names, r := d.LibraryKernelNames(l); r != driver.Success || len(names) != 1 || names[0] != tc.kernel {
			t.Errorf("%s: kernels %v, %d", name, names, r)
		}
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	d := open(t)
	jit := &driver.JIT{ErrorSize: 20}
	if _, r := d.ModuleLoad([]byte(".version 7.0 rubbish\x00"), jit); r != driver.ErrorInvalidPTX || len(jit.Error) == 0 || len(jit.Error) > 20 {
		t.Errorf("result %d, log %q", r, jit.Error)
	}
}

func TestUnloadEndsFunctions(t *testing.T) {
	d := open(t)
	m, r := d.ModuleLoad([]byte(ptxFor("sm_70", "nothing")), &driver.JIT{})
	if r != driver.Success {
		t.Fatal(r)
	}
	f, r := d.ModuleFunction(m, "nothing")
	again, _ := d.ModuleFunction(m, "nothing")
	if r != driver.Success || f != again {
		t.Fatalf("function %d, then %d, result %d", f, again, r)
	}
	if _, r := d.ModuleFunction(m, "missing"); r != driver.ErrorNotFound {
		t.Errorf("missing function: %d", r)
	}
	if r := d.Launch(&driver.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}}); r != driver.Success {
		t.Errorf("launch: %d", r)
	}
	if r := d.ModuleUnload(m); r != driver.Success {
		t.Errorf("unload: %d", r)
	}
	if r := d.Launch(&driver.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}}); r != driver.ErrorInvalidHandle {
		t.Errorf("launch after unload: %d", r)
	}
}

// hostMemory registers size bytes.
func hostMemory(t *testing.T, d *Driver, size int) ([]byte, uint64) {
	t.Helper()
	b, address := mapAnonymous(t, size)
	if r := d.HostRegister(address, uint64(size)); r != driver.Success {
		t.Fatalf("registering: %d", r)
	}
	if r := d.HostRegister(address, uint64(size)); r != driver.ErrorHostRegistered {
		t.Errorf("registering twice: %d", r)
	}
	return b, address
}

func TestCopy3DMovesABox(t *testing.T) {
	d := open(t)
	b, address := hostMemory(t, d, 1<<16)
	for i := range b {
		b[i] = byte(i * 7)
	}
	if r := d.MapBlock(window.DeviceBase, 2<<20); r != driver.Success {
		t.Fatal(r)
	}
	box := driver.Copy3D{
		Src:        driver.Copy3DEnd{XBytes: 3, Y: 2, Z: 1, Type: driver.MemoryHost, Address: address, Pitch: 64, Height: 16},
		Dst:        driver.Copy3DEnd{XBytes: 1, Y: 1, Type: driver.MemoryDevice, Address: window.DeviceBase, Pitch: 32, Height: 8},
		WidthBytes: 10, Height: 4, Depth: 3,
	}
	if r := d.Copy3D(&box, 0); r != driver.Success {
		t.Fatalf("copying there: %d", r)
	}
	back := driver.Copy3D{Src: box.Dst, Dst: driver.Copy3DEnd{Type: driver.MemoryHost, Address: address + 32768}, WidthBytes: 10, Height: 4, Depth: 3}
	if r := d.Copy3D(&back, 0); r != driver.Success {
		t.Fatalf("copying back: %d", r)
	}
	if r := d.Synchronize(0); r != driver.Success {
		t.Fatal(r)
	}
	for z := range 3 {
		for y := range 4 {
			want := b[(z+1)*64*16+(y+2)*64+3:][:10]
			if got := b[32768+(z*4+y)*10:][:10]; !bytes.Equal(got, want) {
				t.Fatalf("slice %d row %d is %v, want %v", z, y, got, want)
			}
		}
	}
	if r := d.HostUnregister(address); r != driver.Success {
		t.Errorf("unregistering: %d", r)
	}
	if r := d.HostUnregister(address); r != driver.ErrorHostNotRegistered {
		t.Errorf("unregistering twice: %d", r)
	}
	if r := d.Copy3D(&box, 0); r != driver.ErrorInvalidValue {
		t.Errorf("copying from memory that is gone: %d", r)
	}
}

func TestInlineDataIsCopied(t *testing.T) {
	d := open(t)
	b, address := hostMemory(t, d, 4096)
	s, r := d.StreamCreate(1, 0)
	if r != driver.Success {
		t.Fatal(r)
	}
	data := []byte("before")
	if r := d.StreamWaitValue32(s, address+64, 1, 0); r != driver.Success {
		t.Fatal(r)
	}
	if r := d.CopyHtoDBytes(address, data, s); r != driver.Success {
		t.Fatal(r)
	}
	copy(data, "after!")
	if r := d.StreamWriteValue32(0, address+64, 1, 0); r != driver.Success {
		t.Fatal(r)
	}
	for start := time.Now(); d.StreamQuery(s) == driver.ErrorNotReady; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the stream does not go on")
		}
	}
	if string(b[:6]) != "before" {
		t.Errorf("copied %q", b[:6])
	}
}

func TestClustersAreNotCarried(t *testing.T) {
	attribute := make([]byte, driver.LaunchAttributeSize)
	binary.LittleEndian.PutUint32(attribute, driver.LaunchAttributeClusterDimension)
	for i, n := range []uint32{1, 1, 1} {
		binary.LittleEndian.PutUint32(attribute[8+i*4:], n)
	}
	if _, r := cooperative(&driver.Launch{Attributes: attribute}); r != driver.Success {
		t.Errorf("clusters of one: %d", r)
	}
	attribute[8] = 2
	if _, r := cooperative(&driver.Launch{Attributes: attribute}); r != driver.ErrorNotSupported {
		t.Errorf("clusters of two: %d", r)
	}
	binary.LittleEndian.PutUint32(attribute, driver.LaunchAttributeCooperative)
	if together, r := cooperative(&driver.Launch{Attributes: attribute}); r != driver.Success || !together {
		t.Errorf("cooperative: %v, %d", together, r)
	}
}

func TestDescription(t *testing.T) {
	description, err := open(t).Describe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := description.MarshalBinary(); err != nil {
		t.Error(err)
	}
	if a := description.Attributes; len(a) != window.DescAttributes || a[75].Value != 9 || a[1].Value != 1024 || a[144].Result != 0 || a[145].Result != 1 || a[0].Result != 1 {
		t.Errorf("attributes are %+v", a)
	}
}

func TestOccupancy(t *testing.T) {
	d := open(t)
	m, _ := d.ModuleLoad([]byte(ptxFor("sm_70", "nothing")), &driver.JIT{})
	f, r := d.ModuleFunction(m, "nothing")
	if r != driver.Success {
		t.Fatal(r)
	}
	if blocks, r := d.OccupancyBlocks(f, 1024, 0, 0); r != driver.Success || blocks != 2 {
		t.Errorf("%d blocks of 1024, %d", blocks, r)
	}
	grid, block, r := d.OccupancyPotential(f, 0, 0, 0)
	if r != driver.Success || block < 32 || grid < multiprocessors {
		t.Errorf("grid %d of %d, %d", grid, block, r)
	}
	for _, c := range []struct {
		limit, blocks, threads int32
		shared                 uint64
		result                 driver.Result
	}{
		{48 << 10, 1, 32, 48 << 10, driver.Success},
		{227 << 10, 1, 32, 227 << 10, driver.Success},
		{227 << 10, 2, 32, 113 << 10, driver.Success},
		{227 << 10, 33, 32, 0, driver.ErrorInvalidValue}, // so many do not fit, whatever they need
		{227 << 10, 0, 32, 0, driver.ErrorInvalidValue},
		{227 << 10, 1, 0, 0, driver.ErrorInvalidValue},
		{227 << 10, 1, 4096, 0, driver.ErrorInvalidValue},
	} {
		if r := d.FunctionSetAttribute(f, functionMaxDynamicShared, c.limit); r != driver.Success {
			t.Fatal(r)
		}
		if shared, r := d.OccupancyShared(f, c.blocks, c.threads); r != c.result || shared != c.shared {
			t.Errorf("%d bytes of shared memory for %d blocks of %d, %d", shared, c.blocks, c.threads, r)
		}
	}
	if _, r := d.OccupancyBlocks(f, 0, 0, 0); r != driver.ErrorInvalidValue {
		t.Errorf("blocks of nothing: %d", r)
	}
	if blocks, r := d.OccupancyBlocks(f, 32, 1<<40, 1); r != driver.Success || blocks != 0 {
		t.Errorf("%d blocks with more shared memory than there is, %d", blocks, r)
	}
	if _, r := d.OccupancyBlocks(f, 32, 0, 2); r != driver.ErrorInvalidValue {
		t.Errorf("blocks with unknown flags: %d", r)
	}
}
