package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
)

// conformance runs every family of the conformance suite in a process of its own,
// since some of them end their context.
func (s *show) conformance(t *testing.T) {
	build := filepath.Join(vm.Root(), "build")
	run := func(t *testing.T, argument string) (string, error) {
		return s.Vgpuctl(s.within(t, 4*time.Minute), "run", "--memory", "1GiB", "--lib-dir", filepath.Join(build, "guest"), "--",
			filepath.Join(build, "tests", "conformance"), argument)
	}
	listed, err := run(t, "--list")
	must(t, err)
	given := answers{}
	for _, family := range families(listed) {
		t.Run(family, func(t *testing.T) {
			out, err := run(t, family)
			if err != nil {
				t.Error(err)
			}
			checkReport(t, stage.Program{Title: family, Argv: []string{"conformance", family}}, strings.Split(out, "\n"))
			given.collect(out)
		})
	}
	t.Run("answers", func(t *testing.T) {
		driver := readAnswers(t, ofDriver)
		if os.Getenv("VGPU_ANSWERS") == "keep" {
			must(t, given.write(driver))
		}
		for _, difference := range given.differences(driver, readAnswers(t, ofSoftware)) {
			t.Error(difference)
		}
	})
	// as often as it takes to have met every place that the library and its executors want
	t.Run("200 starts", func(t *testing.T) {
		out, err := s.Vgpuctl(s.within(t, 4*time.Minute), "run", "--memory", "1GiB", "--lib-dir", filepath.Join(build, "guest"), "--",
			"env", "PLACES_STARTS=200", filepath.Join(build, "tests", "conformance"), "places.starts")
		if err != nil {
			t.Error(err)
		}
		checkReport(t, stage.Program{Title: "200 starts", Argv: []string{"conformance", "places.starts"}}, strings.Split(out, "\n"))
	})
}

// families are those of the checks listed as family.check, one on a line.
func families(listed string) []string {
	var all []string
	for _, check := range strings.Fields(listed) {
		family, _, _ := strings.Cut(check, ".")
		if len(all) == 0 || all[len(all)-1] != family {
			all = append(all, family)
		}
	}
	return all
}
