# SPDX-License-Identifier: Apache-2.0
"""fork before the driver is initialised, after that, and after a context was made; what the child is answered, and that the parent goes on."""
import ctypes
import os

import tell
from driver import allocate, call, context, fill_and_read, library


def in_child(name, function):
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = function()
        except Exception as error:
            answer = repr(error)
        os.write(writer, answer.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    tell.value(name, f"{answer} (status {status})")


def first_use():
    context()
    return "filled " + str(fill_and_read(7)[:8])


def after_init():
    count, handle = ctypes.c_int(), ctypes.c_void_p()
    return " ".join([call("cuInit", 0), call("cuDeviceGetCount", ctypes.byref(count)),
                     call("cuDevicePrimaryCtxRetain", ctypes.byref(handle), 0)])


def after_context():
    pointer, handle, stream = ctypes.c_uint64(), ctypes.c_void_p(), ctypes.c_void_p()
    return " ".join([call("cuInit", 0), call("cuCtxGetCurrent", ctypes.byref(handle)),
                     call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(64)),
                     call("cuStreamCreate", ctypes.byref(stream), 0), call("cuCtxSynchronize")])


def nothing():
    return "did nothing"


def main():
    in_child("before_init", first_use)
    library.cuInit(0)
    in_child("after_init", after_init)
    context()
    kept = allocate(4096)
    call("cuMemsetD32_v2", kept, ctypes.c_uint32(9), ctypes.c_size_t(1024))
    in_child("after_context", after_context)
    for number in range(4):
        in_child(f"idle_child_{number}", nothing)
    data = (ctypes.c_uint32 * 1024)()
    tell.value("parent_reads", call("cuMemcpyDtoH_v2", data, kept, ctypes.c_size_t(4096)))
    tell.hashed("parent_memory", bytes(data))
    tell.hashed("parent_goes_on", fill_and_read(11))


tell.attempts([main])
