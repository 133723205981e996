package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

static int vg_event_record(void *f, uintptr_t event, uintptr_t stream, unsigned int flags)
{
	return ((int (*)(uintptr_t, uintptr_t, unsigned int))f)(event, stream, flags);
}
// Runs on a thread of the driver, so not in Go. A full counter is as good as one more.
static void vg_raise(void *eventfd)
{
	uint64_t one = 1;

	(void)!write((int)(intptr_t)eventfd, &one, sizeof(one));
}
static int vg_notify(void *f, uintptr_t stream, int eventfd)
{
	return ((int (*)(uintptr_t, void (*)(void *), void *))f)(stream, vg_raise, (void *)(intptr_t)eventfd);
}
static int vg_capturing(void *f, uintptr_t stream, int *status) { return ((int (*)(uintptr_t, int *))f)(stream, status); }
*/
import "C"

import "libvirt-vgpu/mediatord/executor/driver"

// EventRecord implements driver.Streams.
func (d *Driver) EventRecord(e driver.Event, s driver.Stream, flags uint32) driver.Result {
	return driver.Result(C.vg_event_record(d.fn.cuEventRecordWithFlags, C.uintptr_t(e), C.uintptr_t(s), C.uint(flags)))
}

// WriteFence implements driver.Streams. Without flags the write comes behind a
// system-wide memory barrier.
func (d *Driver) WriteFence(s driver.Stream, address uint64, value uint32) driver.Result {
	return d.StreamWriteValue32(s, address, value, 0)
}

// Notify implements driver.Streams.
func (d *Driver) Notify(s driver.Stream, eventfd int) driver.Result {
	return driver.Result(C.vg_notify(d.fn.cuLaunchHostFunc, C.uintptr_t(s), C.int(eventfd)))
}

// Capturing implements driver.Streams.
func (d *Driver) Capturing(s driver.Stream) (uint32, driver.Result) {
	var status C.int
	r := C.vg_capturing(d.fn.cuStreamIsCapturing, C.uintptr_t(s), &status)
	return uint32(status), driver.Result(r)
}
