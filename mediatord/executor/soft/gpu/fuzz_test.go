package gpu_test

import (
	"os"
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// FuzzLoadModule loads and compiles whatever comes; nothing is launched.
func FuzzLoadModule(f *testing.F) {
	for _, name := range []string{"testdata/kernels.ptx", "testdata/models.ptx"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(snippet("vote.sync.any.pred %p, %q, -1; shfl.sync.idx.b32 %t1|%p, %t2, 1, 31, -1; bar.red.popc.u32 %t1, 0, %p; atom.cas.b64 %w2, [%w1], %a, %b;"))
	f.Add(snippet("cp.async.ca.shared.global [%t1], [%w1], 16, %t2; prmt.b32.f4e %t1, %t2, %t3, 4; cvt.rn.f16x2.f32 %t1, %fa, %fb; lop3.b32 %t1, %t2, %t3, %t4, 3;"))
	d, err := gpu.New(gpu.Config{Memory: 16 << 20})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(d.Close)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := d.LoadModule(text)
		if err != nil {
			return
		}
		for _, name := range m.Kernels() {
			if _, err := m.Function(name); err != nil && gpu.CodeOf(err) != gpu.InvalidPTX && gpu.CodeOf(err) != gpu.NotSupported {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := m.Unload(); err != nil {
			t.Error(err)
		}
	})
}
