# SPDX-License-Identifier: Apache-2.0
"""Copies of all small sizes beside kernels, in several threads: every byte is what was sent."""
import hashlib
import threading
import time

import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)
THREADS = 4
SECONDS = 4
LARGEST = 18  # the logarithm of a copy's number of elements


def copied(seed, deadline, wrong):
    """Sends numbers, lets a kernel change them and reads them again, until the deadline; what differs goes into wrong."""
    generator = torch.Generator().manual_seed(seed)
    stream = torch.cuda.Stream() if seed % 2 and device.type == "cuda" else None
    number = 0
    with torch.cuda.stream(stream):
        while time.monotonic() < deadline and not wrong:
            count = 1 + int(2 ** (LARGEST * torch.rand(1, generator=generator).item()))
            sent = torch.randint(-1000, 1000, (count,), generator=generator, dtype=torch.int32)
            there = sent.to(device)
            sent_again = sent.clone()
            sent.fill_(7)  # a copy of pageable memory has been read when the call returns
            back = (there * 3 + number).cpu()
            if not torch.equal(back, sent_again * 3 + number):
                wrong.append(f"thread {seed}, copy {number} of {count} numbers: {(back != sent_again * 3 + number).sum().item()} are wrong")
            number += 1


def copies():
    wrong, deadline = [], time.monotonic() + SECONDS
    threads = [threading.Thread(target=copied, args=(seed, deadline, wrong)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell.value("wrong", "; ".join(wrong) or "none")


def products():
    """A sparse product of fractions again and again, the operands sent anew: whether the library itself gives the same bits each time is said, not compared; that of whole numbers is exact."""
    generator = torch.Generator().manual_seed(12)
    dense = torch.randint(-99, 100, (500, 400), generator=generator).float()
    dense[torch.rand(500, 400, generator=generator) < 0.95] = 0
    other = torch.randint(-99, 100, (400, 32), generator=generator).float()
    exact = dense @ other
    fractions, wrong, runs = set(), 0, 300
    for _ in range(runs):
        product = dense.to_sparse_csr().to(device) @ other.to(device)
        wrong += not torch.equal(product.cpu(), exact)
        product = (dense / 7).to_sparse_csr().to(device) @ (other / 3).to(device)
        fractions.add(hashlib.sha256(tell.octets(product)).hexdigest())
    tell.info(f"{runs} sparse products of fractions gave {len(fractions)} different results")
    tell.value("wrong_products", wrong)


tell.attempts([copies, products])
