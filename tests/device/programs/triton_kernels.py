# SPDX-License-Identifier: Apache-2.0
"""Triton kernels of the kinds that its tutorials teach: vector add, fused softmax, matrix product, layer norm, atomics, tensor descriptors."""
import os
import tempfile

scratch = tempfile.TemporaryDirectory(prefix="program-")
os.environ["TRITON_CACHE_DIR"] = scratch.name

import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)
triton, tl = tell.need("triton", "triton.language")


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out + at, tl.load(x + at, mask=mask) + tl.load(y + at, mask=mask), mask=mask)


@triton.jit
def softmax_kernel(out, source, stride, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    values = tl.load(source + row * stride + at, mask=at < columns, other=-float("inf"))
    powers = tl.exp(values - tl.max(values, axis=0))
    tl.store(out + row * stride + at, powers / tl.sum(powers, axis=0), mask=at < columns)


@triton.jit
def matmul_kernel(a, b, c, M, N, K, stride_a, stride_b, stride_c, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    column = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        left = tl.load(a + row[:, None] * stride_a + (k + depth)[None, :], mask=(row[:, None] < M) & ((k + depth)[None, :] < K), other=0.0)
        right = tl.load(b + (k + depth)[:, None] * stride_b + column[None, :], mask=((k + depth)[:, None] < K) & (column[None, :] < N), other=0.0)
        total = tl.dot(left, right, total)
    tl.store(c + row[:, None] * stride_c + column[None, :], total.to(tl.bfloat16), mask=(row[:, None] < M) & (column[None, :] < N))


@triton.jit
def layer_norm_kernel(source, out, weight, bias, columns, epsilon, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    mask = at < columns
    values = tl.load(source + row * columns + at, mask=mask, other=0.0)
    mean = tl.sum(values, axis=0) / columns
    centred = tl.where(mask, values - mean, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + epsilon)
    result = centred * scale * tl.load(weight + at, mask=mask) + tl.load(bias + at, mask=mask)
    tl.store(out + row * columns + at, result, mask=mask)


@triton.jit
def histogram_kernel(source, counts, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.atomic_add(counts + tl.load(source + at, mask=mask, other=0), 1, mask=mask)


@triton.jit
def described_kernel(source, out, rows, columns, BLOCK: tl.constexpr):
    origin = tl.make_tensor_descriptor(source, shape=[rows, columns], strides=[columns, 1], block_shape=[BLOCK, BLOCK])
    target = tl.make_tensor_descriptor(out, shape=[rows, columns], strides=[columns, 1], block_shape=[BLOCK, BLOCK])
    row, column = tl.program_id(0) * BLOCK, tl.program_id(1) * BLOCK
    target.store([row, column], origin.load([row, column]) * 2)


def vector_add():
    n = 98432
    x, y = torch.rand(n, device=device), torch.rand(n, device=device)
    out = torch.empty_like(x)
    add_kernel[(triton.cdiv(n, 1024),)](x, y, out, n, BLOCK=1024)
    tell.hashed("add", out)
    tell.value("add_equals_torch", torch.equal(out, x + y))


def softmax():
    source = torch.randn(1823, 781, device=device)
    out = torch.empty_like(source)
    softmax_kernel[(1823,)](out, source, source.stride(0), 781, BLOCK=1024)
    tell.hashed("softmax", out)
    tell.value("softmax_is_close", torch.allclose(out, torch.softmax(source, 1)))


def matrix_product():
    for M, N, K, warps, stages in ((512, 512, 512, 8, 3), (130, 77, 65, 4, 2)):
        a = torch.randn(M, K, device=device, dtype=torch.bfloat16)
        b = torch.randn(K, N, device=device, dtype=torch.bfloat16)
        c = torch.empty(M, N, device=device, dtype=torch.bfloat16)
        matmul_kernel[(triton.cdiv(M, 128), triton.cdiv(N, 64))](a, b, c, M, N, K, a.stride(0), b.stride(0), c.stride(0),
                                                                 BM=128, BN=64, BK=64, num_warps=warps, num_stages=stages)
        tell.hashed(f"product_{M}x{N}x{K}", c)
        tell.value(f"product_{M}_is_close", torch.allclose(c.float(), (a.float() @ b.float()), atol=0.5, rtol=0.05))


def layer_norm():
    source = torch.randn(1151, 1000, device=device)
    weight, bias = torch.rand(1000, device=device), torch.rand(1000, device=device)
    out = torch.empty_like(source)
    layer_norm_kernel[(1151,)](source, out, weight, bias, 1000, 1e-5, BLOCK=1024)
    tell.hashed("layer_norm", out)
    tell.value("layer_norm_is_close", torch.allclose(out, torch.nn.functional.layer_norm(source, (1000,), weight, bias), atol=1e-4))


def histogram():
    source = torch.randint(0, 97, (100000,), device=device, dtype=torch.int32)
    counts = torch.zeros(97, device=device, dtype=torch.int32)
    histogram_kernel[(triton.cdiv(100000, 512),)](source, counts, 100000, BLOCK=512)
    tell.hashed("histogram", counts)
    tell.value("histogram_total", int(counts.sum()))


def tensor_descriptors():
    triton.set_allocator(lambda size, alignment, stream: torch.empty(size, device=device, dtype=torch.int8))
    source = torch.randn(256, 512, device=device)
    out = torch.zeros_like(source)
    described_kernel[(4, 8)](source, out, 256, 512, BLOCK=64)
    tell.hashed("descriptors", out)
    tell.value("descriptors_double", torch.equal(out, source * 2))


def tuned():
    tuner = triton.autotune(configs=[triton.Config({"BLOCK": size}) for size in (256, 512, 1024)], key=["n"])(add_kernel)
    x = torch.rand(1 << 16, device=device)
    out = torch.empty_like(x)
    tuner[lambda meta: (triton.cdiv(1 << 16, meta["BLOCK"]),)](x, x, out, 1 << 16)
    tell.hashed("tuned", out)


tell.attempts([vector_add, softmax, matrix_product, layer_norm, histogram, tensor_descriptors, tuned])
