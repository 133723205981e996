# SPDX-License-Identifier: Apache-2.0
"""What is compiled again: NVRTC asked twice for the same, and cuDNN's attention, which compiles a kernel for each length."""
import ctypes
import glob
import os
import sys
import tempfile
import time

# nothing of an earlier run is found
FOLDER = tempfile.TemporaryDirectory(prefix="compile-again-")
os.environ["CUDA_CACHE_PATH"] = FOLDER.name

import tell  # noqa: E402
import torch_setup  # noqa: E402

torch, device = torch_setup.start(deterministic=False)

SOURCE = b'extern "C" __global__ void kernel(float *x) { x[threadIdx.x] = sinf(x[threadIdx.x]) / x[0]; }'
LENGTHS = 32


def nvrtc():
    found = [path for folder in sys.path for path in glob.glob(f"{folder}/nvidia/*/lib/libnvrtc.so.*[0-9]")]
    if not found:
        tell.missing("nvrtc")
    return ctypes.CDLL(found[0])


def machine_code(library, options):
    """The bytes, and the seconds of the compilation."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()

    def call(name, *arguments):
        result = getattr(library, name)(*arguments)
        if result:
            raise RuntimeError(f"{name}: {result}")

    call("nvrtcCreateProgram", ctypes.byref(program), SOURCE, b"kernel.cu", 0, None, None)
    texts = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    start = time.perf_counter()
    call("nvrtcCompileProgram", program, len(options), texts)
    seconds = time.perf_counter() - start
    call("nvrtcGetCUBINSize", program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    call("nvrtcGetCUBIN", program, code)
    call("nvrtcDestroyProgram", ctypes.byref(program))
    return code.raw, seconds


def compilers():
    torch.zeros(1, device=device)
    library = nvrtc()
    plain = None
    for option in ("-std=c++17", "-ftz=true", "-prec-div=false", "-fmad=false", "-lineinfo"):
        options = ["-arch=sm_90", option]
        fresh, seconds = machine_code(library, [*options, "--no-cache"])
        kept, first = machine_code(library, options)
        found, again = machine_code(library, options)
        plain = plain or fresh
        tell.hashed("compiled" + option, fresh)
        # the driver's own cache need not know what is the assembler's input: no answer to compare, but one to know
        same = "the same" if fresh == kept == found else "what was compiled without it" if found in (plain, kept) else "something else"
        tell.info(f"{option}: compiled in {seconds:.3f} s, kept in {first:.3f} s, found in {again:.3f} s, and found is {same}")


def attention():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    generator = torch.Generator().manual_seed(5)

    def tensor(length):
        return torch.randn(1, 32, length, 64, generator=generator).to(device, torch.bfloat16)

    def lengths(first):
        for length in range(first, first + LENGTHS):
            yield torch.nn.functional.scaled_dot_product_attention(query, keys[:, :, :length], values[:, :, :length])

    query, keys, values = tensor(1), tensor(65 + 2 * LENGTHS), tensor(65 + 2 * LENGTHS)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        for name, first in (("first", 65), ("more", 65 + LENGTHS), ("known", 65)):
            torch_setup.synchronize(torch, device)
            start = time.perf_counter()
            results = list(lengths(first))
            torch_setup.synchronize(torch, device)
            tell.rate(f"{name}_lengths_per_second", LENGTHS / (time.perf_counter() - start))
            tell.hashed(f"attention_{name}", *results)


tell.attempts([compilers, attention])
