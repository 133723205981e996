# SPDX-License-Identifier: Apache-2.0
"""cuFFT, cuSOLVER, cuSPARSE, cuBLAS and textures as CuPy uses them."""
import os
import tempfile

scratch = tempfile.TemporaryDirectory(prefix="program-")
os.environ["CUPY_CACHE_DIR"] = scratch.name

import tell

cupy, numpy = tell.need("cupy", "numpy")


def numbers(*shape, dtype=numpy.float64, seed=16):
    return cupy.asarray(numpy.random.default_rng(seed).standard_normal(shape).astype(dtype))


def fourier():
    tell.hashed("fft", cupy.fft.fft(numbers(16, 1000)))
    tell.hashed("rfft2", cupy.fft.rfft2(numbers(128, 96, dtype=numpy.float32)))
    plan = cupy.fft.config.get_plan_cache()
    plan.clear()
    tell.hashed("ifftn", cupy.fft.ifftn(numbers(16, 16, 16).astype(cupy.complex128)))


def solvers():
    matrix = numbers(80, 80)
    tell.hashed("solve", cupy.linalg.solve(matrix, numbers(80, 3, seed=17)))
    tell.hashed("qr", *cupy.linalg.qr(matrix))
    tell.hashed("svd", cupy.linalg.svd(matrix, compute_uv=False))
    tell.hashed("eigh", *cupy.linalg.eigh(matrix @ matrix.T))
    tell.hashed("cholesky", cupy.linalg.cholesky(matrix @ matrix.T + 80 * cupy.eye(80)))


def sparse():
    import cupyx.scipy.sparse as sparse_arrays

    dense = numbers(300, 200)
    dense[cupy.abs(dense) < 1.8] = 0
    matrix = sparse_arrays.csr_matrix(dense)
    tell.value("stored", matrix.nnz)
    tell.hashed("times_vector", matrix @ numbers(200, seed=18))
    tell.hashed("times_dense", matrix @ numbers(200, 16, seed=19))
    product = (matrix @ matrix.T).tocsr()
    product.sort_indices()
    tell.hashed("times_sparse", product.toarray())


def textures():
    from cupy.cuda import runtime, texture

    channel = texture.ChannelFormatDescriptor(32, 0, 0, 0, runtime.cudaChannelFormatKindFloat)
    array = texture.CUDAarray(channel, 64, 32)
    array.copy_from(numbers(32, 64, dtype=numpy.float32))
    description = texture.TextureDescriptor((runtime.cudaAddressModeClamp,) * 2, runtime.cudaFilterModeLinear, runtime.cudaReadModeElementType)
    kernel = cupy.RawKernel(r"""
extern "C" __global__ void sample(cudaTextureObject_t from, float *out)
{
    int x = threadIdx.x, y = blockIdx.x;
    out[y * 64 + x] = tex2D<float>(from, x + 0.25f, y + 0.75f);
}""", "sample")
    out = cupy.empty((32, 64), dtype=cupy.float32)
    kernel((32,), (64,), (texture.TextureObject(texture.ResourceDescriptor(runtime.cudaResourceTypeArray, cuArr=array), description), out))
    tell.hashed("texture", out)


def triangular():
    from cupyx.scipy import linalg

    lower = cupy.tril(numbers(64, 64)) + 64 * cupy.eye(64)
    tell.hashed("triangular", linalg.solve_triangular(lower, numbers(64, seed=20), lower=True))


tell.attempts([fourier, solvers, sparse, textures, triangular])
