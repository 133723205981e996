package cuda

/*
#include <stddef.h>
#include <stdint.h>

static int vg_version(void *f, int *version) { return ((int (*)(int *))f)(version); }
static int vg_device_name(void *f, char *name, int size, int device) { return ((int (*)(char *, int, int))f)(name, size, device); }
static int vg_device_uuid(void *f, char *uuid, int device) { return ((int (*)(char *, int))f)(uuid, device); }
static int vg_device_memory(void *f, size_t *bytes, int device) { return ((int (*)(size_t *, int))f)(bytes, device); }
static int vg_device_attribute(void *f, int *value, int attribute, int device)
{
	return ((int (*)(int *, int, int))f)(value, attribute, device);
}
static int vg_priorities(void *f, int *least, int *greatest) { return ((int (*)(int *, int *))f)(least, greatest); }
static int vg_nvml_init(void *f) { return ((int (*)(void))f)(); }
static int vg_nvml_version(void *f, char *version, unsigned int size) { return ((int (*)(char *, unsigned int))f)(version, size); }
*/
import "C"

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// Attributes (CUdevice_attribute) that have a field of their own.
const (
	attributePCIBus       = 33
	attributePCIDevice    = 34
	attributePCIDomain    = 50
	attributePCIDeviceID  = 139
	attributePCISubsystem = 140
)

// Describe implements driver.Device. It makes the primary context for a moment:
// limits and priorities are a context's.
func (d *Driver) Describe() (*window.Description, error) {
	out := &window.Description{DeviceCount: 1, DriverString: driverVersion(), Attributes: make([]window.Attribute, window.DescAttributes)}
	var version C.int
	if err := driver.Check("cuDriverGetVersion", driver.Result(C.vg_version(d.fn.cuDriverGetVersion, &version))); err != nil {
		return nil, err
	}
	out.DriverVersion = uint32(version)
	name := make([]byte, 96)
	if err := driver.Check("cuDeviceGetName", driver.Result(C.vg_device_name(d.fn.cuDeviceGetName, chars(name), C.int(len(name)-1), d.device))); err != nil {
		return nil, err
	}
	before, _, _ := bytes.Cut(name, []byte{0})
	out.Name = string(before)
	if err := driver.Check("cuDeviceGetUuid", driver.Result(C.vg_device_uuid(d.fn.cuDeviceGetUuid_v2, chars(out.UUID[:]), d.device))); err != nil {
		return nil, err
	}
	var memory C.size_t
	if err := driver.Check("cuDeviceTotalMem", driver.Result(C.vg_device_memory(d.fn.cuDeviceTotalMem_v2, &memory, d.device))); err != nil {
		return nil, err
	}
	out.TotalMemory = uint64(memory)
	granularity, err := d.granularity()
	if err != nil {
		return nil, err
	}
	out.VMMGranularity = uint32(granularity)
	for i := 1; i < window.DescAttributes; i++ {
		var value C.int
		r := C.vg_device_attribute(d.fn.cuDeviceGetAttribute, &value, C.int(i), d.device)
		out.Attributes[i] = window.Attribute{Value: int32(value), Result: uint32(r)}
	}
	out.PCIDomain = uint32(out.Attributes[attributePCIDomain].Value)
	out.PCIBus = uint32(out.Attributes[attributePCIBus].Value)
	out.PCIDevice = uint32(out.Attributes[attributePCIDevice].Value)
	out.PCIDeviceID = uint32(out.Attributes[attributePCIDeviceID].Value)
	out.PCISubsystemID = uint32(out.Attributes[attributePCISubsystem].Value)
	return out, d.describeContext(out)
}

func (d *Driver) describeContext(out *window.Description) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, r := d.PrimaryRetain(0)
	if err := driver.Check("cuDevicePrimaryCtxRetain", r); err != nil {
		return err
	}
	defer d.PrimaryRelease()
	if err := driver.Check("cuCtxSetCurrent", d.SetCurrent(c)); err != nil {
		return err
	}
	defer d.SetCurrent(0)
	for i := range out.Limits {
		if value, r := d.CtxGetLimit(uint32(i)); r == driver.Success {
			out.Limits[i] = uint32(value)
		}
	}
	var least, greatest C.int
	if err := driver.Check("cuCtxGetStreamPriorityRange", driver.Result(C.vg_priorities(d.fn.cuCtxGetStreamPriorityRange, &least, &greatest))); err != nil {
		return err
	}
	out.PriorityLowest, out.PriorityHighest = int32(least), int32(greatest)
	return nil
}

// versionText finds "580.159.04" in /proc/driver/nvidia/version.
var versionText = regexp.MustCompile(`\b\d{3}\.\d+(\.\d+)?\b`)

// driverVersion is NVML's version string: from sysfs, else from NVML itself.
func driverVersion() string {
	if text, err := os.ReadFile("/sys/module/nvidia/version"); err == nil {
		return strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/driver/nvidia/version"); err == nil {
		if found := versionText.Find(text); found != nil {
			return string(found)
		}
	}
	text, err := nvmlVersion()
	if err != nil {
		return ""
	}
	return text
}

func nvmlVersion() (string, error) {
	library, err := open("libnvidia-ml.so.1")
	if err != nil {
		return "", err
	}
	start, version := symbol(library, "nvmlInit_v2"), symbol(library, "nvmlSystemGetDriverVersion")
	if start == nil || version == nil {
		return "", fmt.Errorf("%w: libnvidia-ml.so.1 lacks its functions", ErrNoDriver)
	}
	text := make([]byte, 80)
	if r := C.vg_nvml_init(start); r != 0 {
		return "", fmt.Errorf("nvmlInit_v2 failed with error %d", r)
	}
	if r := C.vg_nvml_version(version, chars(text), C.uint(len(text)-1)); r != 0 {
		return "", fmt.Errorf("nvmlSystemGetDriverVersion failed with error %d", r)
	}
	before, _, _ := bytes.Cut(text, []byte{0})
	return string(before), nil
}
