# SPDX-License-Identifier: Apache-2.0
"""torch.compile: inductor writes Triton kernels, gcc builds their launchers; with and without CUDA graphs."""
import os
import tempfile

scratch = tempfile.TemporaryDirectory(prefix="program-")
os.environ["TORCHINDUCTOR_CACHE_DIR"] = scratch.name + "/inductor"
os.environ["TRITON_CACHE_DIR"] = scratch.name + "/triton"
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "4")

import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)
tell.need("triton")
nn = torch.nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


def pointwise(x, y):
    return torch.softmax(x * torch.sigmoid(y) + x.sin(), dim=-1).cumsum(-1)


def kernels():
    x, y = torch.randn(256, 1000, device=device), torch.randn(256, 1000, device=device)
    tell.hashed("pointwise", torch.compile(pointwise)(x, y))


def training():
    torch.manual_seed(5)
    model = Block(256).to(device)
    compiled = torch.compile(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = compiled(torch.randn(64, 256, device=device)).square().mean()
        loss.backward()
        optimizer.step()
    tell.hashed("loss", loss)
    tell.hashed("weights", *model.parameters())


def graphs():
    torch.manual_seed(6)
    model = Block(128).to(device).eval()
    compiled = torch.compile(model, mode="reduce-overhead")
    with torch.inference_mode():
        for _ in range(4):
            output = compiled(torch.full((32, 128), 0.5, device=device)).clone()
    tell.hashed("with_graphs", output)


tell.attempts([kernels, training, graphs])
