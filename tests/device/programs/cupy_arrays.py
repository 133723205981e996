# SPDX-License-Identifier: Apache-2.0
"""CuPy: its own kernels, those it compiles at run time, streams, graphs, pools."""
import os
import tempfile

scratch = tempfile.TemporaryDirectory(prefix="program-")
os.environ["CUPY_CACHE_DIR"] = scratch.name

import tell

cupy, numpy = tell.need("cupy", "numpy")
tell.value("device", cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())

SOURCE = r"""
extern "C" __global__ void saxpy(const float *x, const float *y, float *out, float a, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        out[i] = a * x[i] + y[i];
}
__constant__ float table[4];
extern "C" __global__ void lookup(float *out) { out[threadIdx.x] = table[threadIdx.x % 4] * 2; }
template <typename T> __global__ void square(T *x) { x[threadIdx.x] *= x[threadIdx.x]; }
"""


@cupy.fuse()
def fused(x, y):
    return cupy.tanh(x) * y + 1


def elementwise():
    x = cupy.arange(1 << 20, dtype=cupy.float32)
    tell.hashed("sine", cupy.sin(x) * cupy.sqrt(x + 1))
    tell.hashed("sum_by_axis", x.reshape(1024, 1024).sum(axis=0))
    tell.hashed("sorted", cupy.sort(x[::-1] % 1000))
    tell.hashed("matmul", x[:65536].reshape(256, 256) @ x[:65536].reshape(256, 256).T)


def raw_kernel():
    kernel = cupy.RawKernel(SOURCE.split("__constant__")[0], "saxpy")
    x, y = cupy.linspace(0, 1, 100000, dtype=cupy.float32), cupy.ones(100000, dtype=cupy.float32)
    out = cupy.empty_like(x)
    kernel((391,), (256,), (x, y, out, cupy.float32(2.5), 100000))
    tell.hashed("saxpy", out)
    tell.value("registers", kernel.num_regs)


def raw_module():
    module = cupy.RawModule(code=SOURCE, options=("-std=c++17",), name_expressions=["square<double>"])
    x = cupy.arange(32, dtype=cupy.float64)
    module.get_function("square<double>")((1,), (32,), (x,))
    tell.hashed("template", x)
    table = cupy.ndarray(4, cupy.float32, module.get_global("table"))
    table[...] = cupy.asarray([1, 2, 3, 4], dtype=cupy.float32)
    out = cupy.empty(8, dtype=cupy.float32)
    module.get_function("lookup")((1,), (8,), (out,))
    tell.hashed("constant_memory", out)


def compiled_by_hand():
    kernel = cupy.ElementwiseKernel("float32 x, float32 y", "float32 z", "z = x > y ? x * y : x - y", "choose")
    tell.hashed("elementwise_kernel", kernel(cupy.arange(1000, dtype=cupy.float32), cupy.float32(500)))
    norm = cupy.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "l2")
    tell.hashed("reduction_kernel", norm(cupy.arange(1000, dtype=cupy.float64), axis=0))
    tell.hashed("fused", fused(cupy.arange(100, dtype=cupy.float32), cupy.float32(3)))


def compile_error():
    try:
        cupy.RawKernel("this is not CUDA", "f").compile()
        tell.value("compile_error", "none")
    except cupy.cuda.compiler.CompileException:
        tell.value("compile_error", "CompileException")


def streams_and_graphs():
    stream = cupy.cuda.Stream(non_blocking=True)
    x = cupy.zeros(10000, dtype=cupy.float32)
    cupy.cuda.Stream.null.synchronize()  # this stream does not wait for that one
    with stream:
        x += 1
        stream.begin_capture()
        x *= 1.5
        x += 0.25
        graph = stream.end_capture()
        for _ in range(10):
            graph.launch(stream)
        stream.synchronize()
    tell.hashed("graph", x)
    event = cupy.cuda.Event()
    event.record(stream)
    event.synchronize()
    tell.value("event_done", event.done)


def pinned():
    memory = cupy.cuda.alloc_pinned_memory(1 << 20)
    host = numpy.frombuffer(memory, dtype=numpy.float32, count=1 << 18)
    host[:] = numpy.arange(1 << 18)
    device = cupy.empty(1 << 18, dtype=cupy.float32)
    device.set(host)
    (device * 2).get(out=host)
    tell.hashed("pinned", host.copy())


def pools():
    with cupy.cuda.using_allocator(cupy.cuda.MemoryAsyncPool().malloc):
        tell.hashed("async_pool", cupy.arange(1 << 16).cumsum())
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    tell.value("pool_emptied", pool.used_bytes() <= pool.total_bytes())


def random_numbers():
    tell.hashed("random", cupy.random.default_rng(14).standard_normal(10000))
    cupy.random.seed(15)
    tell.hashed("old_random", cupy.random.randn(10000))


tell.attempts([elementwise, raw_kernel, raw_module, compiled_by_hand, compile_error, streams_and_graphs, pinned, pools, random_numbers])
