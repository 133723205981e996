package hostile

import (
	"encoding/binary"
	"fmt"
	"testing"
)

const (
	outOfMemory = 2
	quota       = 64 << 20
)

// image announces and sends a module's text.
func (p *process) image(number uint32, text string) {
	text += "\x00"
	if cached := binary.LittleEndian.Uint32(p.Must("image_begin", number, len(text), digest(text))); cached == 0 {
		p.Post("image_inline", number, text)
	}
}

// le32 writes words at their places into size bytes.
func le32(size int, words map[int]uint32) []byte {
	b := make([]byte, size)
	for at, value := range words {
		binary.LittleEndian.PutUint32(b[at:], value)
	}
	return b
}

// paths are all the ways in which a process may get device memory: each is a call
// that wants more than the quota leaves. Memory nodes of graphs, which the GPU in
// software does not have, and contexts, which cost it nothing, have tests in the
// executor.
func paths(p *process) map[string]func() uint32 {
	simple := func(op string, args ...any) func() uint32 {
		return func() uint32 {
			result, _ := p.Call(op, args...)
			return result
		}
	}
	p.image(8, ".version 7.0\n.target sm_70\n.address_size 64\n.global .align 4 .b8 buffer[33554432];\n")
	p.Must("pool_create", 8, le32(88, map[int]uint32{0: 1, 8: 1}))
	return map[string]func() uint32{
		"a block":                      simple("mem_block", device+quota, 32<<20),
		"physical memory":              simple("mem_create", 8, 32<<20, le32(32, map[int]uint32{0: 1, 8: 1}), 0),
		"the device's pool":            simple("mem_alloc_async", 32<<20, 0, 0),
		"a pool of its own":            simple("mem_alloc_async", 32<<20, 8, 0),
		"an array":                     simple("array_create", 8, le32(40, map[int]uint32{0: 4096, 8: 2048, 24: 0x20, 28: 1})),
		"a mipmapped array":            simple("mipmap_create", 8, le32(40, map[int]uint32{0: 4096, 8: 2048, 16: 0, 24: 0x20, 28: 1}), 3),
		"a module":                     simple("module_load", 8, 8, 0, ""),
		"a library":                    simple("library_load", 8, 8, 0, ""),
		"local memory (cuCtxSetLimit)": simple("ctx_set_limit", 0, 16<<10),
		"printf's buffer":              simple("ctx_set_limit", 1, 32<<20),
		"the heap of kernels' own":     simple("ctx_set_limit", 2, 48<<20),
	}
}

// Over the quota every path says out of memory, and says it there; the neighbour gets all
// of its own; a quota that is changed meanwhile counts at once.
func TestQuotaIsTheDomainsOwn(t *testing.T) {
	s := begin(t, "")
	d, neighbour := s.domain("one", quota), s.domain("other", quota)
	one, other := d.process(), neighbour.process()
	for _, p := range []*process{one, other} {
		p.Must("primary_retain", 0)
		p.Context = 1
	}
	ways := paths(one)
	for i := range 17 { // 34 MiB: whatever wants 32 is too much
		one.Must("mem_block", device+uint64(i)<<21, 2<<20)
	}
	for name, call := range ways {
		if result := call(); result != outOfMemory {
			t.Errorf("%s beyond the quota: result %d", name, result)
		}
		one.agree(t, d, 34<<20, quota)
	}
	for i := range 32 {
		other.Must("mem_block", device+uint64(i)<<21, 2<<20)
	}
	other.agree(t, neighbour, quota, quota)
	if result, _ := other.Call("mem_block", device+quota, 2<<20); result != outOfMemory {
		t.Errorf("a full domain gets more: result %d", result)
	}

	d.change(96 << 20)
	one.Must("mem_block", device+quota, 32<<20)
	one.agree(t, d, 66<<20, 96<<20)
	one.Post("mem_unblock", device+quota)
	one.agree(t, d, 34<<20, 96<<20)
	d.change(quota)
	if result, _ := one.Call("mem_block", device+quota, 32<<20); result != outOfMemory {
		t.Errorf("a quota that has shrunk again: result %d", result)
	}
	for i := range 17 {
		one.Post("mem_unblock", device+uint64(i)<<21)
	}
	one.agree(t, d, 0, quota)
	if result := ways["a module"](); result != 0 { // nothing was held against the process
		t.Errorf("a module within the quota: result %d", result)
	}
}

// agree holds all who tell of the domain's memory to one answer: the driver's calls,
// the description that NVML and cuDeviceTotalMem read, and mediatord.
func (p *process) agree(t *testing.T, d *domain, used, total uint64) {
	t.Helper()
	info := p.Must("mem_info")
	if free, of := binary.LittleEndian.Uint64(info), binary.LittleEndian.Uint64(info[8:]); free != total-used || of != total {
		t.Errorf("cuMemGetInfo: %d of %d are free, should be %d of %d", free, of, total-used, total)
	}
	d.until("the description's agreement", func() bool {
		description, err := p.Window.Description()
		check(t, err)
		return description.TotalMemory == total && description.UsedMemory == used
	})
	if got, of := d.property("MemoryUsed").(uint64), d.property("MemoryQuota").(uint64); got != used || of != total {
		t.Errorf("mediatord: %d of %d are used, should be %d of %d", got, of, used, total)
	}
}

// change gives the domain another quota, as vgpuctl set does.
func (d *domain) change(memory uint64) {
	d.Helper()
	id, _ := d.property("UUID").(string)
	var applied, restart []string
	err := d.bus.Object(service, root).Call(service+".Manager.Change", 0, id, element(memory)).Store(&applied, &restart)
	check(d, err)
	if len(applied) != 1 || applied[0] != "memory" {
		d.Fatalf("changed %v", applied)
	}
}

func element(memory uint64) string {
	return fmt.Sprintf(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" memory="%dMiB"/>`, memory>>20)
}
