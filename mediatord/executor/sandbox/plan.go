package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Plan is which files an executor may use after its start. What does not exist
// is left out. A directory stands for all that is in it.
type Plan struct {
	Read    []string // files and directories
	Execute []string // files, to start this program again
	Devices []string // device nodes and directories of them: read, write, ioctl
	Write   []string // files, and directories: make, change and remove files
}

// Base is what every program needs: itself, its libraries, its own process.
func Base() (Plan, error) {
	self, err := os.Executable()
	if err != nil {
		return Plan{}, err
	}
	return Plan{
		Execute: []string{self, "/lib64/ld-linux-x86-64.so.2"},
		Read: []string{
			"/usr/lib", "/usr/lib64", "/usr/libx32", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo",
			"/proc/self", "/proc/meminfo", "/sys/kernel/mm", "/sys/devices/system",
		},
		Devices: []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"},
		Write:   []string{"/proc/self/comm"},
	}, nil
}

// WithDriver adds what NVIDIA's driver needs for the GPU at a PCI address, and
// for every GPU if the address is none. root is "/"; search is LD_LIBRARY_PATH.
func (p Plan) WithDriver(root, address, search string) Plan {
	p.Read = append(p.Read,
		"/usr/local", "/usr/share/nvidia", "/etc/nvidia",
		"/proc/driver", "/proc/devices", "/proc/modules", "/proc/version", "/proc/cpuinfo", "/proc/stat", "/proc/filesystems", "/proc/sys",
		"/sys/bus", "/sys/class", "/sys/devices", "/sys/module")
	for _, dir := range strings.Split(search, ":") {
		if filepath.IsAbs(dir) && filepath.Clean(dir) != "/" {
			p.Read = append(p.Read, dir)
		}
	}
	p.Devices = append(p.Devices, "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-caps")
	p.Devices = append(p.Devices, gpuNodes(root, address)...)
	// The driver keeps in /dev/shm what processes share that pass events on, and names
	// its threads; cuInit fails with 304 where that is refused (driver 580).
	p.Write = append(p.Write, "/dev/shm", "/proc/self/task")
	return p
}

var minor = regexp.MustCompile(`(?m)^Device Minor:\s*(\d+)\s*$`)

// gpuNodes are the device nodes of one GPU, or of all if it is not known which.
func gpuNodes(root, address string) []string {
	text, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/gpus", strings.ToLower(address), "information"))
	if err == nil {
		if found := minor.FindSubmatch(text); found != nil {
			return []string{"/dev/nvidia" + string(found[1])}
		}
	}
	nodes, err := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*"))
	if errors.Is(err, filepath.ErrBadPattern) {
		return nil
	}
	for i := range nodes {
		nodes[i] = "/dev/" + filepath.Base(nodes[i])
	}
	return nodes
}
