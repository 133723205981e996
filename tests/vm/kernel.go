package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kernel is an installed Debian cloud kernel with its headers.
type Kernel struct {
	Image   string // /boot/vmlinuz-VERSION
	Headers string // /lib/modules/VERSION/build
}

// FindKernel is the newest installed cloud kernel that has headers.
func FindKernel() (Kernel, error) {
	images, err := filepath.Glob("/boot/vmlinuz-*-cloud-amd64")
	if err != nil {
		return Kernel{}, fmt.Errorf("finding kernel: %w", err)
	}
	var best Kernel
	bestVersion := ""
	for _, image := range images {
		version := strings.TrimPrefix(image, "/boot/vmlinuz-")
		headers := filepath.Join("/lib/modules", version, "build")
		if _, err := os.Stat(headers); err != nil {
			continue
		}
		if bestVersion == "" || newer(version, bestVersion) {
			best, bestVersion = Kernel{Image: image, Headers: headers}, version
		}
	}
	if bestVersion == "" {
		return Kernel{}, fmt.Errorf("finding kernel: no /boot/vmlinuz-*-cloud-amd64 with headers: install linux-image-cloud-amd64 and linux-headers-cloud-amd64")
	}
	return best, nil
}

var number = regexp.MustCompile(`[0-9]+`)

// newer compares versions by the numbers in them.
func newer(a, b string) bool {
	return slices.Compare(numbers(a), numbers(b)) > 0
}

func numbers(version string) []int {
	var out []int
	for _, digits := range number.FindAllString(version, -1) {
		n, _ := strconv.Atoi(digits)
		out = append(out, n)
	}
	return out
}
