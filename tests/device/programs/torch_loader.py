# SPDX-License-Identifier: Apache-2.0
"""A DataLoader with worker processes and pinned memory, copies that overlap with work."""
import hashlib

import tell
import torch_setup

if __name__ == "__main__":
    torch, device = torch_setup.start()
else:  # a spawned worker
    import torch


class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 512

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        return torch.randn(3, 64, 64, generator=generator), index


def load(workers, context=None):
    loader = torch.utils.data.DataLoader(Numbers(), batch_size=32, shuffle=True, num_workers=workers, pin_memory=device.type == "cuda",
                                         generator=torch.Generator().manual_seed(10), multiprocessing_context=context,
                                         persistent_workers=workers > 0)
    digest = hashlib.sha256()
    total = torch.zeros((), device=device, dtype=torch.float64)
    pinned = 0
    for _ in range(2):
        for images, indices in loader:
            pinned += images.is_pinned()
            images = images.to(device, non_blocking=True)
            indices = indices.to(device, non_blocking=True)
            total += (images.double().mean(dim=(1, 2, 3)) * (indices + 1)).sum()
            digest.update(tell.octets(images))
    tell.value(f"pinned_batches_{workers}_{context}", pinned)
    tell.hashed(f"batches_{workers}_{context}", digest.digest(), total)


def without_workers():
    load(0)


def forked_workers():
    load(4, "fork")  # after CUDA was used in this process


def spawned_workers():
    load(2, "spawn")


if __name__ == "__main__":
    tell.attempts([without_workers, forked_workers, spawned_workers])
