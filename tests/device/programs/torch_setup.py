# SPDX-License-Identifier: Apache-2.0
"""PyTorch such that the same program gives the same bits again."""
import os

import tell

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def start(deterministic=True):
    torch = tell.need("torch")
    device = os.environ.get("PROGRAM_DEVICE", "cuda")  # "cpu" rehearses the scripts
    if device == "cuda":
        tell.version("cuda", torch.version.cuda)
        tell.value("device", torch.cuda.get_device_name(0))
    torch.manual_seed(1)
    if deterministic:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return torch, torch.device(device)


def synchronize(torch, device):
    if device.type == "cuda":
        torch.cuda.synchronize()
