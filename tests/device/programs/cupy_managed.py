# SPDX-License-Identifier: Apache-2.0
"""CuPy with managed memory for all its arrays: the processor and the GPU read and write them at one address."""
import ctypes
import os
import tempfile

scratch = tempfile.TemporaryDirectory(prefix="program-")
os.environ["CUPY_CACHE_DIR"] = scratch.name

import tell

cupy, numpy = tell.need("cupy", "numpy")
cupy.cuda.set_allocator(cupy.cuda.MemoryPool(cupy.cuda.malloc_managed).malloc)
runtime = cupy.cuda.runtime
COUNT = 1 << 20


def seen_by_processor(array):
    """The same memory as NumPy's; the caller waits for the GPU."""
    memory = (ctypes.c_char * array.nbytes).from_address(array.data.ptr)
    return numpy.frombuffer(memory, array.dtype).reshape(array.shape)


def attributes():
    device = cupy.cuda.Device()
    tell.value("managed", device.attributes["ManagedMemory"])
    tell.value("concurrent", device.attributes["ConcurrentManagedAccess"])
    tell.value("type", runtime.pointerGetAttributes(cupy.arange(4).data.ptr).type)


def both_sides():
    x = cupy.arange(COUNT, dtype=cupy.float32)
    cupy.cuda.Device().synchronize()
    seen = seen_by_processor(x)
    tell.hashed("read", seen)
    seen *= 3
    y = cupy.sqrt(x)
    tell.hashed("written", y)
    tell.hashed("sum", x.sum(), y.reshape(1024, 1024).sum(axis=1))


def products():
    left = cupy.arange(256 * 256, dtype=cupy.float32).reshape(256, 256) % 7
    tell.hashed("product", left @ left.T)


def moved():
    x = cupy.ones(COUNT, dtype=cupy.int32)
    stream = cupy.cuda.Stream(non_blocking=True)
    runtime.memAdvise(x.data.ptr, x.nbytes, runtime.cudaMemAdviseSetReadMostly, 0)
    runtime.memPrefetchAsync(x.data.ptr, x.nbytes, 0, stream.ptr)
    with stream:
        y = x + 1
    runtime.memPrefetchAsync(y.data.ptr, y.nbytes, 0, stream.ptr)
    stream.synchronize()
    tell.hashed("moved", seen_by_processor(y))


tell.attempts([attributes, both_sides, products, moved])
