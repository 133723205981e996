# SPDX-License-Identifier: Apache-2.0
"""16 threads, each on a stream of its own, and the events between them."""
import threading

import tell
import torch_setup

torch, device = torch_setup.start()
THREADS = 16
STEPS = 50


def work(number, results, errors):
    try:
        stream = torch.cuda.Stream()
        generator = torch.Generator().manual_seed(number)
        with torch.cuda.stream(stream):
            weight = torch.randn(128, 128, generator=generator).to(device) / 12
            state = torch.randn(32, 128, generator=generator).pin_memory().to(device, non_blocking=True)
            for step in range(STEPS):
                state = torch.tanh(state @ weight)
                if step % 10 == number % 10:
                    torch.empty(1 << (16 + number % 4), device=device).fill_(step)
                    state.sum().item()
            results[number] = state.cpu()
        stream.synchronize()
    except Exception as error:
        errors.append(f"{number}: {error!r}")


def threads():
    results, errors = {}, []
    running = [threading.Thread(target=work, args=(number, results, errors)) for number in range(THREADS)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise RuntimeError("; ".join(errors))
    tell.hashed("threads", *(results[number] for number in range(THREADS)))


def chain():
    streams = [torch.cuda.Stream() for _ in range(THREADS)]
    x = torch.ones(1 << 18, device=device)
    event = torch.cuda.Event()
    event.record()
    for number, stream in enumerate(streams):
        stream.wait_event(event)
        with torch.cuda.stream(stream):
            x.mul_(1.01).add_(number)
            event = torch.cuda.Event()
            event.record()
    event.synchronize()
    tell.hashed("chain", x)


def timing():
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    torch.randn(2048, 2048, device=device) @ torch.randn(2048, 2048, device=device)
    end.record()
    end.synchronize()
    tell.value("elapsed_is_positive", start.elapsed_time(end) > 0)


tell.attempts([threads, chain, timing])
