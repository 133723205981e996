// Package cuda is the driver backend for a real GPU: libcuda.so.1, loaded at run
// time. It declares itself what it calls, so that it builds without NVIDIA's
// headers and starts (and then fails with a clear error) without a driver.
//
// Declarations follow the driver's public C ABI on x86-64, CUDA 13.0. Numbers of
// handles are the driver's pointers.
package cuda

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

static void *vg_open(const char *name, const char **error)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	*error = library ? NULL : dlerror();
	return library;
}

static int vg_init(void *f) { return ((int (*)(unsigned int))f)(0); }
static int vg_device_get(void *f, int *device, int ordinal) { return ((int (*)(int *, int))f)(device, ordinal); }
static int vg_device_by_pci(void *f, int *device, const char *address)
{
	return ((int (*)(int *, const char *))f)(device, address);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// ErrNoDriver: the machine has no usable libcuda.so.1.
var ErrNoDriver = errors.New("NVIDIA driver not usable")

// Library is the driver's name for the loader.
const Library = "libcuda.so.1"

// Driver is the GPU of one executor.
type Driver struct {
	native nativeSymbols
	fn     symbols
	// checkpoint is of what only newer drivers have.
	checkpoint checkpointSymbols
	device     C.int
	blocks     map[uint64]uint64 // MapBlock: size by address
	base       uint64            // of the range of guest-chosen addresses
	reserved   bool              // that range is ours
	caller     uint64            // OnCall's function, as callbacks carry it
	linkers
}

var _ interface {
	driver.Driver
	driver.Device
} = (*Driver)(nil)

// replacements are older symbols with the same ABI.
var replacements = map[string]string{"cuEventElapsedTime_v2": "cuEventElapsedTime"}

// visibleDevices tells the driver which GPUs, or MIG instance, a process has.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// Open loads the driver and picks the GPU by ordinal or PCI address, or a MIG
// instance by "MIG-<uuid>", which the driver takes in no other way than the
// environment. It fails
// with ErrNoDriver, or a *driver.Error of cuInit or the device's look-up. No
// context is created.
func Open(gpu string) (*Driver, error) { return OpenLibrary(Library, gpu) }

// OpenLibrary is Open of the driver that a path names.
func OpenLibrary(path, gpu string) (*Driver, error) {
	if strings.HasPrefix(gpu, "MIG-") {
		if err := os.Setenv(visibleDevices, gpu); err != nil {
			return nil, fmt.Errorf("choosing MIG instance: %w", err)
		}
		gpu = "0"
	}
	library, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDriver, err)
	}
	resolve := func(name string) unsafe.Pointer { return symbol(library, name) }
	d := &Driver{blocks: map[uint64]uint64{}, base: window.DeviceBase, linkers: newLinkers()}
	missing := append(d.native.load(resolve), d.fn.load(resolve)...)
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: %s lacks %s; a driver for CUDA 13 is needed", ErrNoDriver, path, strings.Join(missing, ", "))
	}
	d.checkpoint.load(resolve)
	if err := driver.Check("cuInit", driver.Result(C.vg_init(d.fn.cuInit))); err != nil {
		return nil, err
	}
	if ordinal, err := strconv.Atoi(gpu); err == nil {
		return d, driver.Check("cuDeviceGet", driver.Result(C.vg_device_get(d.fn.cuDeviceGet, &d.device, C.int(ordinal))))
	}
	address := C.CString(gpu)
	defer C.free(unsafe.Pointer(address))
	return d, driver.Check("cuDeviceGetByPCIBusId", driver.Result(C.vg_device_by_pci(d.fn.cuDeviceGetByPCIBusId, &d.device, address)))
}

func open(name string) (unsafe.Pointer, error) {
	file := C.CString(name)
	defer C.free(unsafe.Pointer(file))
	var text *C.char
	library := C.vg_open(file, &text)
	if library == nil {
		return nil, fmt.Errorf("loading %s: %s", name, C.GoString(text))
	}
	return library, nil
}

func symbol(library unsafe.Pointer, name string) unsafe.Pointer {
	for _, n := range []string{name, replacements[name]} {
		if n == "" {
			continue
		}
		c := C.CString(n)
		found := C.dlsym(library, c)
		C.free(unsafe.Pointer(c))
		if found != nil {
			return found
		}
	}
	return nil
}

// load fills every field from the symbol of its name.
func (s *symbols) load(resolve func(name string) unsafe.Pointer) (missing []string) {
	for _, field := range reflect.VisibleFields(reflect.TypeOf(*s)) {
		found := resolve(field.Name)
		if found == nil {
			missing = append(missing, field.Name)
		}
		*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(s), field.Offset)) = found
	}
	return missing
}
