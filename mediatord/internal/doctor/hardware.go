package doctor

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/isolation"
)

// minDriver is the first branch of the NVIDIA driver with CUDA 13.
const minDriver = 580

// kernel: memfd seals and punched holes are old; 5.11 says how an IOMMU group is
// translated.
func kernel(_ context.Context, h Host) []Finding {
	release := h.word("/proc/sys/kernel/osrelease")
	major, minor, known := version(release)
	switch {
	case !known:
		return warning("the kernel does not say its version", "see uname -r; Linux 5.11 or newer is needed")
	case major < 5 || major == 5 && minor < 11:
		return problem("Linux "+release+" is too old", "install Linux 5.11 or newer")
	}
	return ok("Linux " + release)
}

// version reads "6.1.0-18-amd64" or "580.159.04".
func version(text string) (major, minor int, ok bool) {
	match := regexp.MustCompile(`^(\d+)\.(\d+)`).FindStringSubmatch(text)
	if match == nil {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(match[1]) // the pattern admits nothing else
	minor, _ = strconv.Atoi(match[2])
	return major, minor, true
}

func driver(_ context.Context, h Host) []Finding {
	if h.onlySoft() {
		return ok("all pools have the GPU in software, which needs no driver")
	}
	loaded := h.word("/sys/module/nvidia/version")
	major, _, _ := version(loaded)
	switch {
	case loaded == "":
		return problem("the NVIDIA driver is not loaded", fmt.Sprintf("install driver %d or newer, open kernel modules, and see dmesg for NVRM messages", minDriver))
	case major < minDriver:
		return problem("NVIDIA driver "+loaded+" is too old for CUDA 13", fmt.Sprintf("install driver %d or newer", minDriver))
	}
	var findings []Finding
	for _, node := range []string{"/dev/nvidiactl", "/dev/nvidia-uvm"} {
		if _, err := os.Stat(h.path(node)); err != nil {
			findings = append(findings, problem("there is no "+node, "run nvidia-modprobe -c 0 -u, or start nvidia-persistenced")...)
		}
	}
	gpus, err := h.GPUs()
	switch {
	case err != nil:
		findings = append(findings, problem("the driver does not list its GPUs: "+err.Error(), "see nvidia-smi and dmesg")...)
	case len(gpus) == 0:
		findings = append(findings, problem("the driver "+loaded+" has no GPU, or libnvidia-ml.so.1 is not installed", "see nvidia-smi -L and lspci -d 10de:")...)
	}
	for _, g := range gpus {
		text := fmt.Sprintf("driver %s, %s at %s, %d GiB", loaded, g.Name, g.PCI, g.Memory>>30)
		if g.Divided {
			text += ", divided into MIG instances"
		}
		findings = append(findings, ok(text)...)
	}
	return findings
}

// onlySoft says that the pools are right and have no GPU but the one in software.
func (h Host) onlySoft() bool {
	pools, err := config.Load(h.path(h.Pools))
	if err != nil || len(pools) == 0 {
		return false
	}
	for _, p := range pools {
		if p.Backend != config.BackendSoft {
			return false
		}
	}
	return true
}

func iommu(_ context.Context, h Host) []Finding {
	if isolation.Sysfs(h.path("/sys")).Enabled() {
		return ok("the IOMMU is on")
	}
	remedy := `switch it on in the firmware (VT-d, AMD-Vi) and boot with intel_iommu=on on Intel processors; or write isolation = "none" into the pools that may do without`
	if h.onlySoft() {
		return warning("there is no IOMMU, or it is off; the GPU in software needs none", remedy)
	}
	return problem("there is no IOMMU, or it is off", remedy)
}

// word is the first word of a file; "" if there is no such file.
func (h Host) word(name string) string {
	text, err := os.ReadFile(h.path(name))
	if err != nil {
		return ""
	}
	if fields := strings.Fields(string(text)); len(fields) > 0 {
		return fields[0]
	}
	return ""
}
