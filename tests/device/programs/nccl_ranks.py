# SPDX-License-Identifier: Apache-2.0
"""torch.distributed over NCCL: nccl_ranks.py RANK RANKS [FILE]; the ranks find each other through FILE."""
import datetime
import os
import sys
import tempfile

import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)
import torch.distributed as distributed

rank, ranks = int(sys.argv[1]), int(sys.argv[2])
meeting = sys.argv[3] if len(sys.argv) > 3 else tempfile.mktemp(prefix="program-")


def joined():
    tell.version("nccl", ".".join(map(str, torch.cuda.nccl.version())))
    torch.cuda.set_device(0)
    distributed.init_process_group("nccl", store=distributed.FileStore(meeting, ranks), rank=rank, world_size=ranks,
                                   timeout=datetime.timedelta(seconds=40), device_id=torch.device("cuda", 0))


def numbers(size=1 << 20):
    return torch.randn(size, generator=torch.Generator().manual_seed(40 + rank)).to(device)


def reduced():
    tensor = numbers()
    distributed.all_reduce(tensor)
    tell.hashed("all_reduce", tensor)


def gathered():
    parts = [torch.empty(1000, device=device) for _ in range(ranks)]
    distributed.all_gather(parts, numbers(1000))
    tell.hashed("all_gather", *parts)


def scattered():
    out = torch.empty(4096, device=device)
    distributed.reduce_scatter_tensor(out, numbers(4096 * ranks))
    tell.hashed("reduce_scatter", out)


def broadcast():
    tensor = numbers(5000)
    distributed.broadcast(tensor, src=0)
    tell.hashed("broadcast", tensor)


def sent():
    if ranks == 1:
        return
    tensor = numbers(100000)
    if rank == 0:
        distributed.send(tensor, 1)
    else:
        distributed.recv(tensor, 0)
    tell.hashed("sent", tensor)


def trained():
    torch.manual_seed(50)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(256, 256).to(device), device_ids=[0])
    for _ in range(3):
        model.zero_grad()
        model(numbers(64 * 256).view(64, 256)).square().mean().backward()
    tell.hashed("gradients", *(parameter.grad for parameter in model.parameters()))


def ended():
    distributed.barrier()
    torch.cuda.synchronize()
    distributed.destroy_process_group()


if not tell.attempt("joined", joined):
    os._exit(1)  # what waits for the other ranks would wait long
good = all([tell.attempt(part.__name__, part) for part in (reduced, gathered, scattered, broadcast, sent, trained)])
good = tell.attempt("ended", ended) and good
sys.stdout.flush()
os._exit(0 if good else 1)
