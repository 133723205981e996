package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
)

// hostProcesses are the same programs without a VM.
func (s *show) hostProcesses(t *testing.T) {
	build := filepath.Join(vm.Root(), "build")
	cudart := func(r stage.Runtime) string {
		library, err := r.Library(s.ctx)
		must(t, err)
		return library
	}
	for _, p := range append(stage.Programs(cudart), stage.NVML(512*mib)) {
		t.Run(p.Title, func(t *testing.T) {
			program := filepath.Join(build, "tests", p.Argv[0])
			args := append([]string{"run", "--memory", "512MiB", "--lib-dir", filepath.Join(build, "guest"), "--", program}, p.Argv[1:]...)
			out, err := s.Vgpuctl(s.within(t, 4*time.Minute), args...)
			if err != nil {
				t.Error(err)
			}
			checkReport(t, p, strings.Split(out, "\n"))
		})
	}
	t.Run("small copies", s.smallCopies)
	t.Run("conformance", s.conformance)
	_, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool { return len(st.Slots) == 0 })
	must(t, err)
	s.nothingLeft(t)
}

// smallCopies: threads of the library help with large copies, and small ones neither start
// nor wake them, however fast they follow each other.
func (s *show) smallCopies(t *testing.T) {
	build := filepath.Join(vm.Root(), "build")
	out, err := s.Vgpuctl(s.within(t, 2*time.Minute), "run", "--memory", "512MiB", "--lib-dir", filepath.Join(build, "guest"), "--",
		filepath.Join(build, "tests", "small_copies"))
	must(t, err)
	if want := "small copies: 0 more threads; a large one: 3 more"; strings.TrimSpace(out) != want {
		t.Errorf("%q, want %q", out, want)
	}
}
