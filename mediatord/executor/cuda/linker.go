package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The driver writes through the option values of cuLinkCreate for as long as the
// linker lives, so they and the logs stand in memory that stays where it is.
#define MAX_OPTIONS 40
enum { WALL_TIME = 2, INFO_LOG, INFO_SIZE, ERROR_LOG, ERROR_SIZE, OUTPUTS };
struct vg_linker {
	uintptr_t state;
	unsigned int count;
	int ids[MAX_OPTIONS];
	void *values[MAX_OPTIONS];
	unsigned int at[OUTPUTS];	// of an output option, by its number; 0: not asked for
	unsigned int info_room, error_room;
	char *info, *error;
};

static unsigned int vg_link_option(struct vg_linker *l, int id, uintptr_t value)
{
	l->ids[l->count] = id;
	l->values[l->count] = (void *)value;
	return l->count++;
}
static void vg_link_output(struct vg_linker *l, int id, uintptr_t value)
{
	l->at[id] = vg_link_option(l, id, value) + 1;
}
static char *vg_link_log(struct vg_linker *l, int log, int size, unsigned int room)
{
	char *text = calloc(1, (size_t)room + 1);

	if (text && room) {
		vg_link_output(l, log, (uintptr_t)text);
		vg_link_output(l, size, room);
	}
	return text;
}
static void vg_link_free(struct vg_linker *l)
{
	free(l->info);
	free(l->error);
	free(l);
}
static int vg_link_create(void *f, struct vg_linker **out, const unsigned int *pairs, unsigned int count, unsigned int info_room,
			  unsigned int error_room, int wall_time)
{
	struct vg_linker *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return 2;
	for (unsigned int i = 0; i < count; i++)
		vg_link_option(l, (int)pairs[2 * i], pairs[2 * i + 1]);
	if (wall_time)
		vg_link_output(l, WALL_TIME, 0);
	l->info_room = info_room;
	l->error_room = error_room;
	l->info = vg_link_log(l, INFO_LOG, INFO_SIZE, info_room);
	l->error = vg_link_log(l, ERROR_LOG, ERROR_SIZE, error_room);
	r = l->info && l->error ?
		((int (*)(unsigned int, int *, void **, uintptr_t *))f)(l->count, l->ids, l->values, &l->state) : 2;
	if (r)
		vg_link_free(l);
	else
		*out = l;
	return r;
}
static unsigned int vg_link_value(const struct vg_linker *l, int id)
{
	return l->at[id] ? (unsigned int)(uintptr_t)l->values[l->at[id] - 1] : 0;
}
static size_t vg_link_length(const char *text, unsigned int room) { return strnlen(text, room); }
// PTX text ends in a NUL that the size need not count.
static int vg_link_add(void *f, const struct vg_linker *l, unsigned int input, const void *data, size_t size, const char *name,
		       const unsigned int *pairs, unsigned int count)
{
	char *copy = malloc(size + 1);
	int ids[MAX_OPTIONS], r;
	void *values[MAX_OPTIONS];

	if (!copy)
		return 2;
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (unsigned int i = 0; i < count; i++) {
		ids[i] = (int)pairs[2 * i];
		values[i] = (void *)(uintptr_t)pairs[2 * i + 1];
	}
	r = ((int (*)(uintptr_t, unsigned int, void *, size_t, const char *, unsigned int, int *, void **))f)(
		l->state, input, copy, size, name, count, ids, values);
	free(copy);
	return r;
}
static int vg_link_complete(void *f, const struct vg_linker *l, void **image, size_t *size)
{
	return ((int (*)(uintptr_t, void **, size_t *))f)(l->state, image, size);
}
static int vg_link_destroy(void *f, struct vg_linker *l)
{
	int r = ((int (*)(uintptr_t))f)(l->state);

	vg_link_free(l);
	return r;
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// linkers holds the linkers that live, by number.
type linkers struct {
	byNumber   map[driver.Linker]*C.struct_vg_linker
	lastLinker driver.Linker
}

func newLinkers() linkers {
	return linkers{byNumber: map[driver.Linker]*C.struct_vg_linker{}}
}

// maxLinkOptions leaves room for those that the linker itself adds.
const maxLinkOptions = 32

// LinkCreate implements driver.Linkers.
func (d *Driver) LinkCreate(jit *driver.JIT) (driver.Linker, driver.Result) {
	if len(jit.Options) > maxLinkOptions {
		return 0, driver.ErrorInvalidValue
	}
	wall := C.int(0)
	if jit.WallTime {
		wall = 1
	}
	var l *C.struct_vg_linker
	r := C.vg_link_create(d.fn.cuLinkCreate_v2, &l, unsafe.SliceData(optionPairs(jit)), C.uint(len(jit.Options)),
		C.uint(jit.InfoSize), C.uint(jit.ErrorSize), wall)
	if r != 0 {
		return 0, driver.Result(r)
	}
	d.lastLinker++
	d.byNumber[d.lastLinker] = l
	return d.lastLinker, driver.Success
}

// LinkAdd implements driver.Linkers.
func (d *Driver) LinkAdd(l driver.Linker, input uint32, data []byte, name string, jit *driver.JIT) driver.Result {
	if len(jit.Options) > maxLinkOptions {
		return driver.ErrorInvalidValue
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return driver.Result(C.vg_link_add(d.fn.cuLinkAddData_v2, d.byNumber[l], C.uint(input), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), c,
		unsafe.SliceData(optionPairs(jit)), C.uint(len(jit.Options))))
}

// LinkComplete implements driver.Linkers.
func (d *Driver) LinkComplete(l driver.Linker) ([]byte, driver.Result) {
	var image unsafe.Pointer
	var size C.size_t
	if r := C.vg_link_complete(d.fn.cuLinkComplete, d.byNumber[l], &image, &size); r != 0 {
		return nil, driver.Result(r)
	}
	return unsafe.Slice((*byte)(image), int(size)), driver.Success
}

// LinkState implements driver.Linkers.
func (d *Driver) LinkState(l driver.Linker) driver.LinkState {
	state := d.byNumber[l]
	log := func(text *C.char, room C.uint) []byte {
		return unsafe.Slice((*byte)(unsafe.Pointer(text)), int(C.vg_link_length(text, room)))
	}
	return driver.LinkState{
		WallTime: uint32(C.vg_link_value(state, C.WALL_TIME)),
		InfoSize: uint32(C.vg_link_value(state, C.INFO_SIZE)), ErrorSize: uint32(C.vg_link_value(state, C.ERROR_SIZE)),
		Info: log(state.info, state.info_room), Error: log(state.error, state.error_room),
	}
}

// LinkDestroy implements driver.Linkers.
func (d *Driver) LinkDestroy(l driver.Linker) driver.Result {
	state := d.byNumber[l]
	delete(d.byNumber, l)
	return driver.Result(C.vg_link_destroy(d.fn.cuLinkDestroy, state))
}
