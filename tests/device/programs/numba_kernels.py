# SPDX-License-Identifier: Apache-2.0
"""Numba's CUDA kernels: NVVM at run time, shared memory, atomics, streams, device functions, ufuncs."""
import math

import tell

numpy = tell.need("numpy")
for former, name in (("row_stack", "vstack"), ("in1d", "isin"), ("trapz", "trapezoid")):
    if not hasattr(numpy, former):  # NumPy 2.5 dropped names that Numba reads when it is imported
        setattr(numpy, former, getattr(numpy, name))
numba, cuda = tell.need("numba", "numba.cuda")


@cuda.jit
def add(x, y, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] + y[i]


@cuda.jit(device=True)
def wave(x):
    return math.sin(x) * math.exp(-x)


@cuda.jit
def waves(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = wave(x[i])


@cuda.jit
def block_sums(x, out):
    shared = cuda.shared.array(128, dtype=numba.float64)
    i, lane = cuda.grid(1), cuda.threadIdx.x
    shared[lane] = x[i] if i < x.size else 0.0
    cuda.syncthreads()
    step = 64
    while step > 0:
        if lane < step:
            shared[lane] += shared[lane + step]
        cuda.syncthreads()
        step //= 2
    if lane == 0:
        out[cuda.blockIdx.x] = shared[0]


@cuda.jit
def count(x, bins):
    i = cuda.grid(1)
    if i < x.size:
        cuda.atomic.add(bins, x[i], 1)


def sums():
    x = numpy.arange(100000, dtype=numpy.float32)
    out = cuda.device_array_like(x)
    add[391, 256](cuda.to_device(x), cuda.to_device(x), out)
    tell.hashed("add", out.copy_to_host())


def device_function():
    x = numpy.linspace(0, 5, 10000)
    out = cuda.device_array_like(x)
    waves[79, 128](cuda.to_device(x), out)
    tell.hashed("waves", out.copy_to_host())


def shared_memory():
    x = numpy.random.default_rng(30).standard_normal(12800)
    out = cuda.device_array(100)
    block_sums[100, 128](cuda.to_device(x), out)
    tell.hashed("block_sums", out.copy_to_host())


def atomics():
    x = numpy.random.default_rng(31).integers(0, 50, 100000).astype(numpy.int32)
    bins = cuda.to_device(numpy.zeros(50, numpy.int32))
    count[391, 256](cuda.to_device(x), bins)
    tell.hashed("bins", bins.copy_to_host())
    tell.value("bins_are_right", bool((bins.copy_to_host() == numpy.bincount(x, minlength=50)).all()))


def streams_and_pinned():
    streams = [cuda.stream() for _ in range(4)]
    host = [cuda.pinned_array(50000, dtype=numpy.float32) for _ in streams]
    outputs = []
    for number, (stream, array) in enumerate(zip(streams, host)):
        array[:] = number
        there = cuda.to_device(array, stream=stream)
        out = cuda.device_array(50000, dtype=numpy.float32, stream=stream)
        add[196, 256, stream](there, there, out)
        outputs.append(out.copy_to_host(stream=stream))
    for stream in streams:
        stream.synchronize()
    tell.hashed("streams", *outputs)


def vectorized():
    @numba.vectorize(["float32(float32, float32)"], target="cuda")
    def difference(x, y):
        return (x - y) * (x + y)

    x = numpy.arange(10000, dtype=numpy.float32)
    tell.hashed("ufunc", difference(x, x[::-1].copy()))


def memory_info():
    free, total = cuda.current_context().get_memory_info()
    tell.value("memory_is_sensible", 0 < free <= total)


tell.attempts([sums, device_function, shared_memory, atomics, streams_and_pinned, vectorized, memory_info])
