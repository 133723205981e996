package cuda

/*
#include <stddef.h>
#include <stdint.h>

struct vg_copy_end {
	size_t x, y, z, level;
	int type;
	void *host;
	unsigned long long device;
	void *array, *reserved;
	size_t pitch, height;
};
struct vg_copy {
	struct vg_copy_end src, dst;
	size_t width, height, depth;
};
_Static_assert(sizeof(struct vg_copy) == 200, "ABI");
enum { MEMORY_HOST = 1, MEMORY_ARRAY = 3 };

static int vg_htod(void *f, unsigned long long dst, unsigned long long src, size_t size, uintptr_t s)
{
	return ((int (*)(unsigned long long, const void *, size_t, uintptr_t))f)(dst, (const void *)(uintptr_t)src, size, s);
}
static int vg_htod_bytes(void *f, unsigned long long dst, const void *src, size_t size, uintptr_t s)
{
	return ((int (*)(unsigned long long, const void *, size_t, uintptr_t))f)(dst, src, size, s);
}
static int vg_dtoh(void *f, unsigned long long dst, unsigned long long src, size_t size, uintptr_t s)
{
	return ((int (*)(void *, unsigned long long, size_t, uintptr_t))f)((void *)(uintptr_t)dst, src, size, s);
}
static int vg_fill8(void *f, unsigned long long dst, unsigned int value, size_t n, uintptr_t s)
{
	return ((int (*)(unsigned long long, unsigned char, size_t, uintptr_t))f)(dst, (unsigned char)value, n, s);
}
static int vg_fill16(void *f, unsigned long long dst, unsigned int value, size_t n, uintptr_t s)
{
	return ((int (*)(unsigned long long, unsigned short, size_t, uintptr_t))f)(dst, (unsigned short)value, n, s);
}
static int vg_fill32(void *f, unsigned long long dst, unsigned int value, size_t n, uintptr_t s)
{
	return ((int (*)(unsigned long long, unsigned int, size_t, uintptr_t))f)(dst, value, n, s);
}
static int vg_fill2d8(void *f, unsigned long long dst, size_t pitch, unsigned int value, size_t w, size_t h, uintptr_t s)
{
	return ((int (*)(unsigned long long, size_t, unsigned char, size_t, size_t, uintptr_t))f)(dst, pitch, (unsigned char)value, w, h, s);
}
static int vg_fill2d16(void *f, unsigned long long dst, size_t pitch, unsigned int value, size_t w, size_t h, uintptr_t s)
{
	return ((int (*)(unsigned long long, size_t, unsigned short, size_t, size_t, uintptr_t))f)(dst, pitch, (unsigned short)value, w, h, s);
}
static int vg_fill2d32(void *f, unsigned long long dst, size_t pitch, unsigned int value, size_t w, size_t h, uintptr_t s)
{
	return ((int (*)(unsigned long long, size_t, unsigned int, size_t, size_t, uintptr_t))f)(dst, pitch, value, w, h, s);
}
static void vg_end(struct vg_copy *c, int destination, size_t x, size_t y, size_t z, size_t level, int type,
		   unsigned long long address, size_t pitch, size_t height)
{
	struct vg_copy_end *e = destination ? &c->dst : &c->src;

	e->x = x, e->y = y, e->z = z, e->level = level, e->type = type, e->pitch = pitch, e->height = height;
	if (type == MEMORY_HOST)
		e->host = (void *)(uintptr_t)address;
	else if (type == MEMORY_ARRAY)
		e->array = (void *)(uintptr_t)address;
	else
		e->device = address;
}
static int vg_copy_3d(void *f, const struct vg_copy *c, uintptr_t s)
{
	return ((int (*)(const struct vg_copy *, uintptr_t))f)(c, s);
}
*/
import "C"

import (
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// CopyHtoD implements driver.Copies.
func (d *Driver) CopyHtoD(dst, src, size uint64, s driver.Stream) driver.Result {
	return driver.Result(C.vg_htod(d.fn.cuMemcpyHtoDAsync_v2, C.ulonglong(dst), C.ulonglong(src), C.size_t(size), C.uintptr_t(s)))
}

// CopyHtoDBytes implements driver.Copies. The driver stages pageable memory
// before it returns.
func (d *Driver) CopyHtoDBytes(dst uint64, data []byte, s driver.Stream) driver.Result {
	return driver.Result(C.vg_htod_bytes(d.fn.cuMemcpyHtoDAsync_v2, C.ulonglong(dst), unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), C.uintptr_t(s)))
}

// CopyDtoH implements driver.Copies.
func (d *Driver) CopyDtoH(dst, src, size uint64, s driver.Stream) driver.Result {
	return driver.Result(C.vg_dtoh(d.fn.cuMemcpyDtoHAsync_v2, C.ulonglong(dst), C.ulonglong(src), C.size_t(size), C.uintptr_t(s)))
}

// Fill implements driver.Copies.
func (d *Driver) Fill(dst, pitch uint64, value, element uint32, width, height uint64, s driver.Stream) driver.Result {
	to, v, w, h, stream := C.ulonglong(dst), C.uint(value), C.size_t(width), C.size_t(height), C.uintptr_t(s)
	if height == 1 {
		switch element {
		case 1:
			return driver.Result(C.vg_fill8(d.fn.cuMemsetD8Async, to, v, w, stream))
		case 2:
			return driver.Result(C.vg_fill16(d.fn.cuMemsetD16Async, to, v, w, stream))
		case 4:
			return driver.Result(C.vg_fill32(d.fn.cuMemsetD32Async, to, v, w, stream))
		}
		return driver.ErrorInvalidValue
	}
	switch element {
	case 1:
		return driver.Result(C.vg_fill2d8(d.fn.cuMemsetD2D8Async, to, C.size_t(pitch), v, w, h, stream))
	case 2:
		return driver.Result(C.vg_fill2d16(d.fn.cuMemsetD2D16Async, to, C.size_t(pitch), v, w, h, stream))
	case 4:
		return driver.Result(C.vg_fill2d32(d.fn.cuMemsetD2D32Async, to, C.size_t(pitch), v, w, h, stream))
	}
	return driver.ErrorInvalidValue
}

// Copy3D implements driver.Copies.
func (d *Driver) Copy3D(c *driver.Copy3D, s driver.Stream) driver.Result {
	native := nativeCopy(c)
	return driver.Result(C.vg_copy_3d(d.fn.cuMemcpy3DAsync_v2, &native, C.uintptr_t(s)))
}

func nativeCopy(c *driver.Copy3D) C.struct_vg_copy {
	native := C.struct_vg_copy{width: C.size_t(c.WidthBytes), height: C.size_t(c.Height), depth: C.size_t(c.Depth)}
	for i, e := range []driver.Copy3DEnd{c.Src, c.Dst} {
		C.vg_end(&native, C.int(i), C.size_t(e.XBytes), C.size_t(e.Y), C.size_t(e.Z), C.size_t(e.LOD), C.int(e.Type),
			C.ulonglong(e.Address), C.size_t(e.Pitch), C.size_t(e.Height))
	}
	return native
}

// encodeCopy writes CUDA_MEMCPY3D.
func encodeCopy(b []byte, c *driver.Copy3D) {
	native := nativeCopy(c)
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(&native)), driver.CopySize))
}

// decodeCopy reads CUDA_MEMCPY3D.
func decodeCopy(b []byte) (c driver.Copy3D) {
	var native C.struct_vg_copy
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&native)), driver.CopySize), b)
	c.WidthBytes, c.Height, c.Depth = uint64(native.width), uint64(native.height), uint64(native.depth)
	for e, end := range map[*C.struct_vg_copy_end]*driver.Copy3DEnd{&native.src: &c.Src, &native.dst: &c.Dst} {
		*end = driver.Copy3DEnd{
			XBytes: uint64(e.x), Y: uint64(e.y), Z: uint64(e.z), LOD: uint64(e.level), Type: uint32(e._type),
			Address: uint64(e.device), Pitch: uint64(e.pitch), Height: uint64(e.height),
		}
		switch end.Type {
		case driver.MemoryHost:
			end.Address = uint64(uintptr(e.host))
		case driver.MemoryArray:
			end.Address = uint64(uintptr(e.array))
		}
	}
	return c
}
