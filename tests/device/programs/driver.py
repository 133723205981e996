# SPDX-License-Identifier: Apache-2.0
"""libcuda.so.1 through ctypes, for programs that need no framework."""
import ctypes

import tell

try:
    library = ctypes.CDLL("libcuda.so.1")
except OSError:
    tell.missing("libcuda.so.1")


def text(pointer_function, code):
    name = ctypes.c_char_p()
    pointer_function(code, ctypes.byref(name))
    return name.value.decode() if name.value else str(code)


def call(name, *arguments):
    """The CUresult's name."""
    return text(library.cuGetErrorName, getattr(library, name)(*arguments))


def must(name, *arguments):
    result = call(name, *arguments)
    if result != "CUDA_SUCCESS":
        raise RuntimeError(f"{name}: {result}")


def context():
    must("cuInit", 0)
    device, handle = ctypes.c_int(), ctypes.c_void_p()
    must("cuDeviceGet", ctypes.byref(device), 0)
    must("cuDevicePrimaryCtxRetain", ctypes.byref(handle), device)
    must("cuCtxSetCurrent", handle)
    return device


def allocate(size):
    pointer = ctypes.c_uint64()
    must("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
    return pointer


def fill_and_read(value, words=1024):
    pointer = allocate(4 * words)
    must("cuMemsetD32_v2", pointer, ctypes.c_uint32(value), ctypes.c_size_t(words))
    data = (ctypes.c_uint32 * words)()
    must("cuMemcpyDtoH_v2", data, pointer, ctypes.c_size_t(4 * words))
    must("cuMemFree_v2", pointer)
    return bytes(data)
