package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"libvirt-vgpu/plugin/window"
)

// MIGPrefix begins the UUID of a MIG instance, a part of a GPU.
const MIGPrefix = "MIG-"

// normalizeGPU brings the ways to write a GPU into one: "soft", "GPU-<uuid in
// lower case>", "MIG-<uuid>" or "dddd:bb:dd.f".
func normalizeGPU(text string) (string, bool) {
	if text == SoftGPU {
		return text, true
	}
	for _, prefix := range []string{"GPU-", MIGPrefix} {
		if digits, found := strings.CutPrefix(text, prefix); found {
			uuid, err := window.ParseUUID(digits)
			return prefix + uuid.String(), err == nil
		}
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
