package cuda

/*
#include <stdint.h>
#include <stdio.h>

// The driver prints through this process's C library.
static int vg_flush(void *f, uintptr_t handle)
{
	int result = ((int (*)(uintptr_t))f)(handle);

	fflush(NULL);
	return result;
}
*/
import "C"

import "libvirt-vgpu/mediatord/executor/driver"

// FlushText implements driver.Texts.
func (d *Driver) FlushText(s driver.Stream) driver.Result {
	return driver.Result(C.vg_flush(d.fn.cuStreamSynchronize, C.uintptr_t(s)))
}

// FlushTextOfEvent implements driver.Texts.
func (d *Driver) FlushTextOfEvent(e driver.Event) driver.Result {
	return driver.Result(C.vg_flush(d.fn.cuEventSynchronize, C.uintptr_t(e)))
}
