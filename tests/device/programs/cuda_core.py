# SPDX-License-Identifier: Apache-2.0
"""cuda.core: programs, launches, streams, events and memory resources of NVIDIA's pythonic interface."""
import numpy

import tell

tell.need("cuda.bindings")
core = tell.need("cuda.core")
if not hasattr(core, "Device"):  # before 1.0
    core = tell.need("cuda.core.experimental")
cupy = tell.need("cupy")

SOURCE = """
template <typename T> __global__ void combine(const T *x, const T *y, T *out, size_t n)
{
    for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        out[i] = x[i] * y[i] + T(1);
}
"""
device = core.Device()
device.set_current()
stream = device.create_stream()


def launched():
    tell.value("device", device.name)
    options = core.ProgramOptions(std="c++17", arch="sm_" + "".join(map(str, device.compute_capability)))
    program = core.Program(SOURCE, code_type="c++", options=options)
    module = program.compile("cubin", name_expressions=("combine<float>",))
    kernel = module.get_kernel("combine<float>")
    n = 50000
    x, y, out = cupy.arange(n, dtype=cupy.float32), cupy.full(n, 0.5, dtype=cupy.float32), cupy.empty(n, dtype=cupy.float32)
    device.sync()
    core.launch(stream, core.LaunchConfig(grid=64, block=256), kernel, x.data.ptr, y.data.ptr, out.data.ptr, numpy.uint64(n))
    stream.sync()
    tell.hashed("combine", out)


def memory():
    resource = device.memory_resource
    buffer, other = resource.allocate(1 << 16, stream=stream), resource.allocate(1 << 16, stream=stream)
    other.copy_from(buffer, stream=stream)
    stream.sync()
    tell.value("size", buffer.size)
    buffer.close(stream)
    other.close(stream)
    stream.sync()


def events():
    options = core.EventOptions(timing_enabled=True) if "timing_enabled" in core.EventOptions.__dataclass_fields__ else core.EventOptions(enable_timing=True)
    start, end = stream.record(options=options), stream.record(options=options)
    end.sync()
    tell.value("elapsed_is_sensible", end - start >= 0)


tell.attempts([launched, memory, events])
