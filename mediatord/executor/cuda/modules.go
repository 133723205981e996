package cuda

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// The options of a load as the driver wants them: arrays of numbers and of
// values that look like pointers.
#define MAX_OPTIONS 40
struct vg_jit {
	unsigned int count, info_at, error_at;
	int ids[MAX_OPTIONS];
	void *values[MAX_OPTIONS];
};
enum { INFO_LOG = 3, INFO_SIZE, ERROR_LOG, ERROR_SIZE };

static void vg_jit_option(struct vg_jit *j, int id, uintptr_t value)
{
	j->ids[j->count] = id;
	j->values[j->count++] = (void *)value;
}
static void vg_jit_prepare(struct vg_jit *j, const unsigned int *pairs, unsigned int count, char *info, unsigned int info_size,
			   char *error, unsigned int error_size)
{
	j->count = 0;
	for (unsigned int i = 0; i < count; i++)
		vg_jit_option(j, (int)pairs[2 * i], pairs[2 * i + 1]);
	if (info_size) {
		vg_jit_option(j, INFO_LOG, (uintptr_t)info);
		j->info_at = j->count;
		vg_jit_option(j, INFO_SIZE, info_size);
	}
	if (error_size) {
		vg_jit_option(j, ERROR_LOG, (uintptr_t)error);
		j->error_at = j->count;
		vg_jit_option(j, ERROR_SIZE, error_size);
	}
}
// after the load the size options hold how much was written
static void vg_jit_finish(const struct vg_jit *j, unsigned int *info_size, unsigned int *error_size)
{
	if (*info_size)
		*info_size = (unsigned int)(uintptr_t)j->values[j->info_at];
	if (*error_size)
		*error_size = (unsigned int)(uintptr_t)j->values[j->error_at];
}
static int vg_module_load(void *f, uintptr_t *module, const void *image, const unsigned int *pairs, unsigned int count, char *info,
			  unsigned int *info_size, char *error, unsigned int *error_size)
{
	struct vg_jit j;
	int r;

	vg_jit_prepare(&j, pairs, count, info, *info_size, error, *error_size);
	r = ((int (*)(uintptr_t *, const void *, unsigned int, int *, void **))f)(module, image, j.count, j.ids, j.values);
	vg_jit_finish(&j, info_size, error_size);
	return r;
}

// A fatbin goes in the wrapper that the runtime would put around it.
struct vg_wrapper {
	unsigned int magic, version;
	const void *data;
	void *extra;
};
static int vg_library_load(void *f, uintptr_t *library, const void *image, const unsigned int *pairs, unsigned int count, char *info,
			   unsigned int *info_size, char *error, unsigned int *error_size)
{
	struct vg_wrapper w = {0x466243b1, 1, image, NULL};
	const void *code = *(const unsigned int *)image == 0xba55ed50 ? (const void *)&w : image;
	struct vg_jit j;
	int r;

	vg_jit_prepare(&j, pairs, count, info, *info_size, error, *error_size);
	r = ((int (*)(uintptr_t *, const void *, int *, void **, unsigned int, int *, void **, unsigned int))f)(
		library, code, j.ids, j.values, j.count, NULL, NULL, 0);
	vg_jit_finish(&j, info_size, error_size);
	return r;
}
static int vg_unload(void *f, uintptr_t of) { return ((int (*)(uintptr_t))f)(of); }
static int vg_named(void *f, uintptr_t *found, uintptr_t in, const char *name)
{
	return ((int (*)(uintptr_t *, uintptr_t, const char *))f)(found, in, name);
}
static int vg_global(void *f, unsigned long long *address, size_t *size, uintptr_t in, const char *name)
{
	return ((int (*)(unsigned long long *, size_t *, uintptr_t, const char *))f)(address, size, in, name);
}
static int vg_part(void *f, uintptr_t *part, uintptr_t of) { return ((int (*)(uintptr_t *, uintptr_t))f)(part, of); }
static int vg_count(void *f, unsigned int *count, uintptr_t of) { return ((int (*)(unsigned int *, uintptr_t))f)(count, of); }
static int vg_enumerate(void *f, uintptr_t *out, unsigned int room, uintptr_t of)
{
	return ((int (*)(uintptr_t *, unsigned int, uintptr_t))f)(out, room, of);
}
static int vg_name(void *f, const char **name, uintptr_t of) { return ((int (*)(const char **, uintptr_t))f)(name, of); }
static int vg_kernel_get(void *f, int *value, int attribute, uintptr_t kernel, int device)
{
	return ((int (*)(int *, int, uintptr_t, int))f)(value, attribute, kernel, device);
}
static int vg_kernel_set(void *f, int attribute, int value, uintptr_t kernel, int device)
{
	return ((int (*)(int, int, uintptr_t, int))f)(attribute, value, kernel, device);
}
static int vg_kernel_cache(void *f, uintptr_t kernel, unsigned int config, int device)
{
	return ((int (*)(uintptr_t, unsigned int, int))f)(kernel, config, device);
}
static int vg_param(void *f, uintptr_t of, size_t i, size_t *offset, size_t *size)
{
	return ((int (*)(uintptr_t, size_t, size_t *, size_t *))f)(of, i, offset, size);
}
*/
import "C"

import (
	"bytes"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// jitArguments are a JIT's options as flat pairs and room for its logs.
type jitArguments struct {
	pairs               []C.uint
	info, failure       []byte
	infoSize, errorSize C.uint
}

func newJITArguments(jit *driver.JIT) *jitArguments {
	a := &jitArguments{pairs: optionPairs(jit), infoSize: C.uint(jit.InfoSize), errorSize: C.uint(jit.ErrorSize)}
	a.info, a.failure = make([]byte, jit.InfoSize+1), make([]byte, jit.ErrorSize+1)
	return a
}

// optionPairs are a JIT's numbers; there is room for one even if there is none.
func optionPairs(jit *driver.JIT) []C.uint {
	pairs := make([]C.uint, 0, 2*len(jit.Options)+1)
	for _, o := range jit.Options {
		pairs = append(pairs, C.uint(o.ID), C.uint(o.Value))
	}
	return pairs
}

func (a *jitArguments) finish(jit *driver.JIT) {
	jit.Info = text(a.info, jit.InfoSize, a.infoSize)
	jit.Error = text(a.failure, jit.ErrorSize, a.errorSize)
}

func text(buffer []byte, room uint32, written C.uint) []byte {
	out, _, _ := bytes.Cut(buffer[:min(uint32(written), room)], []byte{0})
	return out
}

func chars(b []byte) *C.char { return (*C.char)(unsafe.Pointer(unsafe.SliceData(b))) }

// ModuleLoad implements driver.Modules.
func (d *Driver) ModuleLoad(image []byte, jit *driver.JIT) (driver.Module, driver.Result) {
	var m C.uintptr_t
	a := newJITArguments(jit)
	r := C.vg_module_load(d.fn.cuModuleLoadDataEx, &m, unsafe.Pointer(unsafe.SliceData(image)), unsafe.SliceData(a.pairs), C.uint(len(jit.Options)),
		chars(a.info), &a.infoSize, chars(a.failure), &a.errorSize)
	a.finish(jit)
	return driver.Module(m), driver.Result(r)
}

// ModuleUnload implements driver.Modules.
func (d *Driver) ModuleUnload(m driver.Module) driver.Result {
	return driver.Result(C.vg_unload(d.fn.cuModuleUnload, C.uintptr_t(m)))
}

// ModuleFunction implements driver.Modules.
func (d *Driver) ModuleFunction(m driver.Module, name string) (driver.Function, driver.Result) {
	f, r := d.named(d.fn.cuModuleGetFunction, uint64(m), name)
	return driver.Function(f), r
}

func (d *Driver) named(fn unsafe.Pointer, in uint64, name string) (uint64, driver.Result) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var found C.uintptr_t
	r := C.vg_named(fn, &found, C.uintptr_t(in), c)
	return uint64(found), driver.Result(r)
}

// ModuleFunctionNames implements driver.Modules.
func (d *Driver) ModuleFunctionNames(m driver.Module) ([]string, driver.Result) {
	return d.names(d.native.cuModuleGetFunctionCount, d.fn.cuModuleEnumerateFunctions, d.fn.cuFuncGetName, uint64(m))
}

// LibraryKernelNames implements driver.Modules.
func (d *Driver) LibraryKernelNames(l driver.Library) ([]string, driver.Result) {
	return d.names(d.native.cuLibraryGetKernelCount, d.fn.cuLibraryEnumerateKernels, d.fn.cuKernelGetName, uint64(l))
}

// FunctionName implements driver.Modules.
func (d *Driver) FunctionName(f driver.Function) (string, driver.Result) {
	var name *C.char
	r := C.vg_name(d.fn.cuFuncGetName, &name, C.uintptr_t(f))
	if r != 0 {
		return "", driver.Result(r)
	}
	return C.GoString(name), driver.Success
}

func (d *Driver) names(count, enumerate, nameOf unsafe.Pointer, of uint64) ([]string, driver.Result) {
	var n C.uint
	if r := C.vg_count(count, &n, C.uintptr_t(of)); r != 0 || n == 0 {
		return nil, driver.Result(r)
	}
	handles := make([]C.uintptr_t, n)
	if r := C.vg_enumerate(enumerate, unsafe.SliceData(handles), n, C.uintptr_t(of)); r != 0 {
		return nil, driver.Result(r)
	}
	names := make([]string, 0, n)
	for _, h := range handles {
		var name *C.char
		if r := C.vg_name(nameOf, &name, h); r != 0 {
			return nil, driver.Result(r)
		}
		names = append(names, C.GoString(name))
	}
	return names, driver.Success
}

// ModuleGlobal implements driver.Modules.
func (d *Driver) ModuleGlobal(m driver.Module, name string) (address, size uint64, r driver.Result) {
	return d.global(d.fn.cuModuleGetGlobal_v2, uint64(m), name)
}

// LibraryGlobal implements driver.Modules.
func (d *Driver) LibraryGlobal(l driver.Library, name string) (address, size uint64, r driver.Result) {
	return d.global(d.fn.cuLibraryGetGlobal, uint64(l), name)
}

func (d *Driver) global(fn unsafe.Pointer, in uint64, name string) (address, size uint64, r driver.Result) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var at C.ulonglong
	var n C.size_t
	result := C.vg_global(fn, &at, &n, C.uintptr_t(in), c)
	return uint64(at), uint64(n), driver.Result(result)
}

// LibraryLoad implements driver.Modules. The driver copies: nothing is said of
// preserving the image.
func (d *Driver) LibraryLoad(image []byte, jit *driver.JIT) (driver.Library, driver.Result) {
	var l C.uintptr_t
	a := newJITArguments(jit)
	if len(image) < 4 { // text too short to be told from a magic number
		return 0, driver.ErrorInvalidImage
	}
	r := C.vg_library_load(d.fn.cuLibraryLoadData, &l, unsafe.Pointer(unsafe.SliceData(image)), unsafe.SliceData(a.pairs), C.uint(len(jit.Options)),
		chars(a.info), &a.infoSize, chars(a.failure), &a.errorSize)
	a.finish(jit)
	return driver.Library(l), driver.Result(r)
}

// LibraryUnload implements driver.Modules.
func (d *Driver) LibraryUnload(l driver.Library) driver.Result {
	return driver.Result(C.vg_unload(d.fn.cuLibraryUnload, C.uintptr_t(l)))
}

// LibraryKernel implements driver.Modules.
func (d *Driver) LibraryKernel(l driver.Library, name string) (driver.Kernel, driver.Result) {
	k, r := d.named(d.fn.cuLibraryGetKernel, uint64(l), name)
	return driver.Kernel(k), r
}

// LibraryModule implements driver.Modules.
func (d *Driver) LibraryModule(l driver.Library) (driver.Module, driver.Result) {
	var m C.uintptr_t
	r := C.vg_part(d.fn.cuLibraryGetModule, &m, C.uintptr_t(l))
	return driver.Module(m), driver.Result(r)
}

// KernelFunction implements driver.Modules.
func (d *Driver) KernelFunction(k driver.Kernel) (driver.Function, driver.Result) {
	var f C.uintptr_t
	r := C.vg_part(d.fn.cuKernelGetFunction, &f, C.uintptr_t(k))
	return driver.Function(f), driver.Result(r)
}

// KernelGetAttribute implements driver.Modules.
func (d *Driver) KernelGetAttribute(k driver.Kernel, attribute int32) (int32, driver.Result) {
	var value C.int
	r := C.vg_kernel_get(d.fn.cuKernelGetAttribute, &value, C.int(attribute), C.uintptr_t(k), d.device)
	return int32(value), driver.Result(r)
}

// KernelSetAttribute implements driver.Modules.
func (d *Driver) KernelSetAttribute(k driver.Kernel, attribute, value int32) driver.Result {
	return driver.Result(C.vg_kernel_set(d.fn.cuKernelSetAttribute, C.int(attribute), C.int(value), C.uintptr_t(k), d.device))
}

// KernelSetCacheConfig implements driver.Modules.
func (d *Driver) KernelSetCacheConfig(k driver.Kernel, config uint32) driver.Result {
	return driver.Result(C.vg_kernel_cache(d.fn.cuKernelSetCacheConfig, C.uintptr_t(k), C.uint(config), d.device))
}

// FunctionParam implements driver.Modules.
func (d *Driver) FunctionParam(f driver.Function, i int) (offset, size uint64, r driver.Result) {
	return param(d.fn.cuFuncGetParamInfo, uint64(f), i)
}

// KernelParam implements driver.Modules.
func (d *Driver) KernelParam(k driver.Kernel, i int) (offset, size uint64, r driver.Result) {
	return param(d.fn.cuKernelGetParamInfo, uint64(k), i)
}

func param(fn unsafe.Pointer, of uint64, i int) (offset, size uint64, r driver.Result) {
	var o, s C.size_t
	result := C.vg_param(fn, C.uintptr_t(of), C.size_t(i), &o, &s)
	return uint64(o), uint64(s), driver.Result(result)
}
