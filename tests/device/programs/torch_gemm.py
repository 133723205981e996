# SPDX-License-Identifier: Apache-2.0
"""Matrix products of cuBLAS and cuBLASLt in every precision, and attention."""
import tell
import torch_setup

torch, device = torch_setup.start()


def products():
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        left = torch.randn(1024, 768, device=device).to(dtype)
        right = torch.randn(768, 512, device=device).to(dtype)
        tell.hashed(f"matmul_{str(dtype).split('.')[1]}", left @ right)


def tensor_float():
    torch.backends.cuda.matmul.allow_tf32 = True
    left, right = torch.randn(512, 512, device=device), torch.randn(512, 512, device=device)
    tell.hashed("matmul_tf32", left @ right)
    torch.backends.cuda.matmul.allow_tf32 = False


def batched():
    left = torch.randn(16, 128, 96, device=device, dtype=torch.bfloat16)
    right = torch.randn(16, 96, 64, device=device, dtype=torch.bfloat16)
    tell.hashed("bmm", torch.bmm(left, right))


def linear_with_bias():
    layer = torch.nn.Linear(1024, 4096, device=device, dtype=torch.bfloat16)
    tell.hashed("linear", torch.nn.functional.gelu(layer(torch.randn(64, 1024, device=device, dtype=torch.bfloat16))))


def eight_bits():
    left = torch.randint(-128, 127, (64, 256), device=device, dtype=torch.int8)
    right = torch.randint(-128, 127, (256, 128), device=device, dtype=torch.int8)
    tell.hashed("matmul_int8", torch._int_mm(left, right))


def attention():
    query, key, value = (torch.randn(2, 8, 256, 64, device=device, dtype=torch.bfloat16) for _ in range(3))
    tell.hashed("attention", torch.nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True))


def errors():
    try:
        torch.empty(1 << 50, device=device)
    except RuntimeError as error:
        tell.value("too_much_memory", type(error).__name__)
    tell.value("sum_afterwards", torch.ones(1000, device=device).sum().item())


tell.attempts([products, tensor_float, batched, linear_with_bias, eight_bits, attention, errors])
