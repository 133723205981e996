package cuda

/*
#include <stdint.h>

void vgCallHost(void *data);
void vgCallStream(uintptr_t stream, int status, void *data);

static int vg_launch_host(void *f, uintptr_t stream, uint64_t data)
{
	return ((int (*)(uintptr_t, void (*)(void *), void *))f)(stream, vgCallHost, (void *)(uintptr_t)data);
}
static int vg_add_callback(void *f, uintptr_t stream, uint64_t data)
{
	return ((int (*)(uintptr_t, void (*)(uintptr_t, int, void *), void *, unsigned int))f)(stream, vgCallStream, (void *)(uintptr_t)data, 0);
}
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// The driver keeps 64 bits for a callback: whose it is, and its number.
const callerShift = 32

// OnCall implements driver.Callbacks.
func (d *Driver) OnCall(call func(number uint32, status driver.Result)) {
	d.caller = uint64(cgo.NewHandle(call)) << callerShift
}

// LaunchHostFunc implements driver.Callbacks.
func (d *Driver) LaunchHostFunc(s driver.Stream, number uint32) driver.Result {
	return driver.Result(C.vg_launch_host(d.fn.cuLaunchHostFunc, C.uintptr_t(s), C.uint64_t(d.caller|uint64(number))))
}

// AddCallback implements driver.Callbacks.
func (d *Driver) AddCallback(s driver.Stream, number uint32) driver.Result {
	return driver.Result(C.vg_add_callback(d.fn.cuStreamAddCallback, C.uintptr_t(s), C.uint64_t(d.caller|uint64(number))))
}

//export vgCallHost
func vgCallHost(data unsafe.Pointer) { called(uint64(uintptr(data)), driver.Success) }

//export vgCallStream
func vgCallStream(_ C.uintptr_t, status C.int, data unsafe.Pointer) {
	called(uint64(uintptr(data)), driver.Result(status))
}

func called(data uint64, status driver.Result) {
	cgo.Handle(data>>callerShift).Value().(func(uint32, driver.Result))(uint32(data), status)
}
