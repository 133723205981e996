# SPDX-License-Identifier: Apache-2.0
"""PyTorch in a VM whose processor is emulated: its data is made on the GPU, and there is little of it. in_vm.py [PART...]"""
import sys
import time

import tell
import torch_setup

start = time.monotonic()
torch, device = torch_setup.start(deterministic=False)
tell.info("imported and initialised after", round(time.monotonic() - start, 1), "s")


def products():
    left, right = torch.randn(512, 256, device=device), torch.randn(256, 128, device=device)
    tell.hashed("single", left @ right)
    tell.hashed("half", left.bfloat16() @ right.bfloat16())


def elementwise():
    x = torch.arange(1 << 18, device=device, dtype=torch.float32)
    tell.hashed("softmax", torch.softmax(torch.sin(x).view(512, 512), -1))
    tell.hashed("sum", x.double().sum())


def pinned():
    host = torch.arange(1 << 18, dtype=torch.int32)
    if device.type == "cuda":
        host = host.pin_memory()
    there = host.to(device, non_blocking=True)
    tell.hashed("pinned", (there * 3).cpu())


def trained():
    weight = torch.randn(64, 64, device=device, requires_grad=True)
    x = torch.randn(32, 64, device=device)
    for _ in range(3):
        loss = torch.tanh(x @ weight).square().mean()
        loss.backward()
        with torch.no_grad():
            weight -= weight.grad
            weight.grad = None
    tell.hashed("trained", weight)


parts = [products, elementwise, pinned, trained]
try:
    tell.attempts([part for part in parts if part.__name__ in sys.argv[1:] or not sys.argv[1:]])
finally:
    tell.info("done after", round(time.monotonic() - start, 1), "s")
