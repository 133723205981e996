package scope

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Devices are the nodes that an executor on the GPU at a PCI address needs, by
// what the driver says under proc ("/proc"); none for the GPU in software, whose
// address is "". All GPUs' nodes if the driver does not know the address.
func Devices(proc, pci string) []string {
	if pci == "" {
		return nil
	}
	all := []string{"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "char-nvidia-caps"}
	minor, err := minorOf(proc, pci)
	if err != nil {
		return append(all, "char-nvidia", "char-nvidia-frontend")
	}
	return append(all, "/dev/nvidia"+minor)
}

// minorOf reads the number of a GPU's node.
func minorOf(proc, pci string) (string, error) {
	text, err := os.ReadFile(filepath.Join(proc, "driver/nvidia/gpus", pci, "information"))
	if err != nil {
		return "", fmt.Errorf("looking for the node of %s: %w", pci, err)
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "Device Minor:"); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("looking for the node of %s: the driver names none", pci)
}
