# SPDX-License-Identifier: Apache-2.0
"""cuFFT, cuSOLVER, cuSPARSE, cuRAND and NVRTC as PyTorch uses them."""
import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)


def fourier():
    signal = torch.randn(8, 4096, device=device)
    spectrum = torch.fft.rfft(signal)
    tell.hashed("rfft", spectrum)
    tell.hashed("irfft", torch.fft.irfft(spectrum, n=4096))
    tell.hashed("fft2", torch.fft.fft2(torch.randn(4, 100, 84, device=device, dtype=torch.complex64)))
    tell.hashed("fft_prime", torch.fft.fft(torch.randn(1009, device=device, dtype=torch.float64)))


def solvers():
    matrix = torch.randn(6, 64, 64, device=device, dtype=torch.float64)
    positive = matrix @ matrix.mT + 64 * torch.eye(64, device=device, dtype=torch.float64)
    tell.hashed("cholesky", torch.linalg.cholesky(positive))
    tell.hashed("solve", torch.linalg.solve(matrix[0], matrix[1]))
    tell.hashed("qr", *torch.linalg.qr(matrix[2]))
    tell.hashed("eigh", *torch.linalg.eigh(positive[0]))
    tell.hashed("svd", torch.linalg.svdvals(matrix[3]))
    tell.hashed("lu", *torch.linalg.lu_factor(matrix[4]))


def sparse():
    generator = torch.Generator().manual_seed(12)

    def numbers(*shape):
        """Whole ones, so that sums are the same in any order."""
        return torch.randint(-99, 100, shape, generator=generator).float()

    dense = numbers(500, 400)
    dense[torch.rand(500, 400, generator=generator) < 0.95] = 0
    matrix = dense.to_sparse_csr().to(device)
    tell.hashed("csr_times_dense", matrix @ numbers(400, 32).to(device))
    tell.hashed("csr_times_vector", matrix @ numbers(400).to(device))
    tell.hashed("coo_times_dense", torch.sparse.mm(dense.to_sparse_coo().to(device).coalesce(), numbers(400, 8).to(device)))


def random_numbers():
    torch.manual_seed(13)
    tell.hashed("normal", torch.randn(100000, device=device))
    tell.hashed("permutation", torch.randperm(10000, device=device))
    tell.hashed("bernoulli", torch.bernoulli(torch.full((1000,), 0.3, device=device)))


def sorting():
    numbers = torch.randint(0, 1 << 30, (1 << 20,), device=device)
    tell.hashed("sort", *torch.sort(numbers, stable=True))
    tell.hashed("unique", *torch.unique(numbers % 1000, return_counts=True))
    tell.hashed("topk", torch.topk(numbers.float(), 50).values)
    tell.hashed("cumsum", torch.cumsum(numbers, 0))


def jiterator():
    square_plus = torch.cuda.jiterator._create_jit_fn("template <typename T> T twice_plus(T x, T y) { return x + x + y; }")
    tell.hashed("nvrtc", square_plus(torch.arange(1000.0, device=device), torch.ones(1000, device=device)))


tell.attempts([fourier, solvers, sparse, random_numbers, sorting, jiterator])
