# SPDX-License-Identifier: Apache-2.0
"""8 processes of one domain at once, each with work of its own, and a tensor passed between two of them by IPC."""
import subprocess
import sys

import tell
import torch_setup

PROCESSES = 8


def child(number):
    import torch

    generator = torch.Generator().manual_seed(number)
    matrix = torch.randn(512, 512, generator=generator).cuda() / 23
    state = torch.eye(512, device="cuda")
    for _ in range(100):
        state = torch.tanh(state @ matrix)
    tell.hashed(f"process_{number}", state)


def all_at_once():
    running = [subprocess.Popen([sys.executable, __file__, str(number)], stdout=subprocess.PIPE, text=True) for number in range(PROCESSES)]
    bad = []
    for number, process in enumerate(running):
        output, _ = process.communicate()
        sys.stdout.write(output)
        sys.stdout.flush()
        if process.returncode != 0:
            bad.append(f"process {number} ended with {process.returncode}")
    if bad:
        raise RuntimeError("; ".join(bad))


def receive(queue, answers):
    tensor = queue.get()
    tensor.add_(1)
    answers.put(float(tensor.sum().cpu()))
    del tensor
    queue.get()


def shared_tensor():
    import torch
    import torch.multiprocessing as multiprocessing

    context = multiprocessing.get_context("spawn")
    queue, answers = context.Queue(), context.Queue()
    process = context.Process(target=receive, args=(queue, answers))
    process.start()
    tensor = torch.arange(1000.0, device="cuda")
    queue.put(tensor)
    try:
        tell.value("sum_in_the_other_process", answers.get(timeout=60))
        tell.hashed("changed_by_the_other_process", tensor)
        queue.put("end")
        process.join(30)
    finally:
        if process.is_alive():
            process.terminate()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]))
    else:
        torch_setup.start()
        tell.attempts([all_at_once, shared_tensor])
