package config

import (
	"fmt"
	"regexp"
	"strconv"

	"libvirt-vgpu/plugin/window"
)

// normalizeGPU brings the ways to write a GPU into one: "soft", "GPU-<uuid in
// lower case>" or "dddd:bb:dd.f".
func normalizeGPU(text string) (string, bool) {
	if text == SoftGPU {
		return text, true
	}
	if len(text) > 4 && text[:4] == "GPU-" {
		uuid, err := window.ParseUUID(text)
		return "GPU-" + uuid.String(), err == nil
	}
	return NormalizePCI(text)
}

// NormalizePCI reads "01:00.0", "0000:01:00.0" and NVML's "00000000:01:00.0"
// and returns the middle form in lower case, as sysfs has it.
func NormalizePCI(text string) (string, bool) {
	match := regexp.MustCompile(`^(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-7])$`).FindStringSubmatch(text)
	if match == nil {
		return "", false
	}
	var parts [4]uint64
	for i, digits := range match[1:] {
		if digits != "" {
			parts[i], _ = strconv.ParseUint(digits, 16, 32) // the pattern admits nothing else
		}
	}
	if parts[2] > 0x1f {
		return "", false
	}
	return fmt.Sprintf("%04x:%02x:%02x.%x", parts[0], parts[1], parts[2], parts[3]), true
}
