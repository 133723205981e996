# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own Python bindings: NVRTC to PTX and to machine code, modules, launches, graphs, errors."""
import numpy

import tell

driver, nvrtc = tell.need("cuda.bindings.driver", "cuda.bindings.nvrtc")
bindings = tell.need("cuda.bindings")

SOURCE = rb"""
extern "C" __global__ void scale(float *x, float a, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        x[i] = a * x[i] + i;
}
"""
N = 10000


def checked(result):
    code, *values = result
    if int(code) != 0:
        raise RuntimeError(str(code))
    return values[0] if len(values) == 1 else values


def compiled(machine_code):
    major, minor = (checked(driver.cuDeviceGetAttribute(getattr(driver.CUdevice_attribute, "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_" + part), 0))
                    for part in ("MAJOR", "MINOR"))
    kind = b"sm" if machine_code else b"compute"
    program = checked(nvrtc.nvrtcCreateProgram(SOURCE, b"scale.cu", 0, [], []))
    checked(nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=%s_%d%d" % (kind, major, minor)]))
    size = checked((nvrtc.nvrtcGetCUBINSize if machine_code else nvrtc.nvrtcGetPTXSize)(program))
    image = b" " * size
    checked((nvrtc.nvrtcGetCUBIN if machine_code else nvrtc.nvrtcGetPTX)(program, image))
    return numpy.char.array(image)


def launched(image):
    module = checked(driver.cuModuleLoadData(image.ctypes.data))
    function = checked(driver.cuModuleGetFunction(module, b"scale"))
    stream = checked(driver.cuStreamCreate(0))
    host = numpy.ones(N, numpy.float32)
    memory = checked(driver.cuMemAlloc(host.nbytes))
    checked(driver.cuMemcpyHtoDAsync(memory, host.ctypes.data, host.nbytes, stream))
    arguments = [numpy.array([int(memory)], numpy.uint64), numpy.array([3], numpy.float32), numpy.array([N], numpy.int32)]
    pointers = numpy.array([argument.ctypes.data for argument in arguments], numpy.uint64)
    checked(driver.cuLaunchKernel(function, (N + 255) // 256, 1, 1, 256, 1, 1, 0, stream, pointers.ctypes.data, 0))
    checked(driver.cuMemcpyDtoHAsync(host.ctypes.data, memory, host.nbytes, stream))
    checked(driver.cuStreamSynchronize(stream))
    checked(driver.cuMemFree(memory))
    checked(driver.cuModuleUnload(module))
    return host


def setup():
    checked(driver.cuInit(0))
    context = checked(driver.cuDevicePrimaryCtxRetain(0))
    checked(driver.cuCtxSetCurrent(context))
    tell.value("driver", checked(driver.cuDriverGetVersion()))


def from_ptx():
    tell.hashed("from_ptx", launched(compiled(machine_code=False)))


def from_machine_code():
    tell.hashed("from_machine_code", launched(compiled(machine_code=True)))


def errors():
    for name, result in (("bad_image", driver.cuModuleLoadData(numpy.zeros(64, numpy.uint8).ctypes.data)),
                         ("huge_allocation", driver.cuMemAlloc(1 << 50)), ("bad_device", driver.cuDeviceGet(99))):
        tell.value(name, str(result[0]))


tell.attempts([setup, from_ptx, from_machine_code, errors])
