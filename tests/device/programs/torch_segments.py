# SPDX-License-Identifier: Apache-2.0
"""The caching allocator with expandable segments: cuMemAddressReserve, cuMemCreate, cuMemMap under a changing load."""
import os

os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
os.environ["PYTORCH_ALLOC_CONF"] = "expandable_segments:True"

import random

import tell
import torch_setup

torch, device = torch_setup.start()


def fragments():
    choose = random.Random(11)
    held = {}
    for step in range(600):
        if held and choose.random() < 0.45:
            held.pop(choose.choice(sorted(held)))
            continue
        size = choose.choice((1 << 10, 3 << 18, 5 << 20, 40 << 20, 130 << 20)) // 4
        held[step] = torch.full((size,), float(step), device=device)
        if sum(tensor.numel() for tensor in held.values()) > 1 << 29:
            held.pop(min(held))
    tell.hashed("kept", *(tensor[:: max(1, tensor.numel() // 64)].sum() for _, tensor in sorted(held.items())))
    held.clear()
    torch.cuda.empty_cache()
    tell.value("reserved_after_emptying", torch.cuda.memory_reserved())


def side_streams():
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        parts = [torch.arange(1 << 20, device=device, dtype=torch.float32) * k for k in range(16)]
        total = torch.stack(parts).sum(0)
    stream.synchronize()
    tell.hashed("side_stream", total)


def segments():
    big = torch.zeros(64 << 20, device=device)
    snapshot = torch.cuda.memory_snapshot()
    tell.value("expandable", any(segment.get("is_expandable") for segment in snapshot))
    del big


def out_of_memory():
    free, total = torch.cuda.mem_get_info()
    held = []
    try:
        for _ in range(total // (1 << 30) + 2):
            held.append(torch.empty(1 << 30, dtype=torch.uint8, device=device))
        tell.value("ended", "never")
    except torch.OutOfMemoryError:
        tell.value("ended", "OutOfMemoryError")
    tell.info("GiB held", len(held), "free before", free >> 20, "MiB")
    held.clear()
    torch.cuda.empty_cache()
    tell.hashed("usable_afterwards", torch.arange(1000, device=device).sum())


tell.attempts([fragments, side_streams, segments, out_of_memory])
