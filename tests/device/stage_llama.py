# SPDX-License-Identifier: Apache-2.0
"""Unmodified llama.cpp on a 1B shape, natively and virtually in alternation: equal hashes, tokens per second."""
import json
import os
import statistics

import machine
from host import run
from machine import payload
from watch import Watcher

ROUNDS = 3
KINDS = [("graphs", {}), ("no_graphs", {"GGML_CUDA_DISABLE_GRAPHS": "1"})]


def model(shape, name="model.gguf"):
    path = payload(name)
    if not os.path.exists(path):
        result = run([payload("tests/gguf"), path, *shape], 120)
        if result["status"] != 0:
            raise RuntimeError("writing the model: " + result["stderr"])
    return path


def measure(command, environment, watcher):
    result = run(command, 180, environment, watcher)
    if result["status"] != 0 or not result["lines"]:
        print("llama_run ended with", result["status"], result["stderr"][-1500:])
        return None
    numbers = json.loads(result["lines"][-1])
    if watcher:
        numbers["watched"] = result["watched"]
    return numbers


def rate(runs, kind, side, name):
    values = [numbers["warm"][name] for numbers in runs[kind][side] if numbers]
    return statistics.median(values) if values else None


def stage(host, gpu_layers=99, prompt=512, new_tokens=256, threads=8, shape=(), rounds=ROUNDS):
    environment = {}
    if not host.rehearsal:
        libraries = machine.cuda_directories() + [os.environ.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(path for path in libraries if path)
    command = [payload("tests/llama_run"), payload("llama"), model(shape),
               *map(str, (gpu_layers, prompt, new_tokens, threads))]
    runs = {kind: {"native": [], "virtual": []} for kind, _ in KINDS}
    for turn in range(rounds):
        for kind, extra in KINDS:
            variables = {**environment, **extra}
            runs[kind]["native"].append(measure(host.native(command), variables, None))
            watcher = Watcher(payload("lib")) if turn == 0 else None
            runs[kind]["virtual"].append(measure(host.virtual(command), variables, watcher))
    every = [numbers for sides in runs.values() for side in sides.values() for numbers in side]
    hashes = sorted({numbers["hash"] for numbers in every if numbers})
    foreign = [path for numbers in every if numbers for path in numbers.get("watched", {}).get("foreign", [])]
    print("hashes:", hashes, "runs:", len(every), "failed:", every.count(None), "foreign files:", foreign)
    for kind, _ in KINDS:
        for name in ("prompt_tokens_per_second", "decode_tokens_per_second", "step_p50_us", "step_p99_us"):
            ours, theirs = rate(runs, kind, "virtual", name), rate(runs, kind, "native", name)
            ratio = f"{ours / theirs:.4f}" if ours and theirs else ""
            print(f"{kind:10} {name:28} native {theirs} virtual {ours} ratio {ratio}")
    for kind, _ in KINDS:
        for side in ("native", "virtual"):
            for numbers in runs[kind][side][:1]:
                if numbers:
                    print(kind, side, "load", numbers["load_seconds"], "context", numbers["context_seconds"],
                          "cold prompt t/s", numbers["cold"]["prompt_tokens_per_second"], numbers["devices"])
    return {"good": len(hashes) == 1 and None not in every and not foreign, "hashes": hashes, "runs": runs}
