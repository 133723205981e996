# SPDX-License-Identifier: Apache-2.0
"""Unmodified llama.cpp on 1B and 8B shapes, natively and virtually in alternation: equal hashes, tokens per second, and
the time from the start of the process to its first token."""
import json
import os
import statistics

import machine
from host import run
from machine import payload
from watch import Watcher

ROUNDS = 5
SMALL, LARGE = (), ("32", "4096", "14336", "32", "8", "128256")
NO_GRAPHS = {"GGML_CUDA_DISABLE_GRAPHS": "1"}
# name, shape of the model (layers, hidden, ffn, heads, key-value heads, vocabulary), environment, new tokens
KINDS = [("graphs", SMALL, {}, 256), ("no_graphs", SMALL, NO_GRAPHS, 256), ("8b_graphs", LARGE, {}, 64)]


def model(shape, name=None):
    path = payload(name or "-".join(["model", *shape]) + ".gguf")
    if not os.path.exists(path):
        result = run([payload("tests/gguf"), path, *shape], 240)
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


def start(runs, kind, side, name):
    values = [numbers[name] for numbers in runs[kind][side] if numbers]
    return statistics.median(values) if values else None


def show(kind, figure, theirs, ours):
    print(f"{kind:10} {figure:28} native {theirs} virtual {ours} ratio {ours / theirs if ours and theirs else 0:.4f}")


FIGURES = ("prompt_tokens_per_second", "decode_tokens_per_second", "step_p50_us", "step_p99_us")


def command_of(shape, gpu_layers, prompt, new_tokens, threads):
    return [payload("tests/llama_run"), payload("llama"), model(shape), *map(str, (gpu_layers, prompt, new_tokens, threads))]


def stage(host, gpu_layers=99, prompt=512, new_tokens=None, threads=8, shape=None, rounds=ROUNDS):
    environment = {}
    if not host.rehearsal:
        libraries = machine.cuda_directories() + [os.environ.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(path for path in libraries if path)
    runs = {name: {"native": [], "virtual": []} for name, *_ in KINDS}
    for turn in range(rounds):
        for name, usual, extra, tokens in KINDS:
            command = command_of(shape or usual, gpu_layers, prompt, new_tokens or tokens, threads)
            variables = {**environment, **extra}
            watcher = Watcher(payload("lib")) if turn == 0 else None
            runs[name]["native"].append(measure(host.native(command), variables, None))
            runs[name]["virtual"].append(measure(host.virtual(command), variables, watcher))
    every = [numbers for sides in runs.values() for side in sides.values() for numbers in side]
    by_model = {}
    for name, usual, _, _ in KINDS:
        found = by_model.setdefault("-".join(usual) or "small", set())
        found.update(numbers["hash"] for side in runs[name].values() for numbers in side if numbers)
    hashes = {name: sorted(found) for name, found in by_model.items()}
    foreign = [path for numbers in every if numbers for path in numbers.get("watched", {}).get("foreign", [])]
    print("hashes:", hashes, "runs:", len(every), "failed:", every.count(None), "foreign files:", foreign)
    for name, *_ in KINDS:
        for figure in FIGURES:
            show(name, figure, rate(runs, name, "native", figure), rate(runs, name, "virtual", figure))
        for figure in ("load_seconds", "first_token_seconds"):
            show(name, figure, start(runs, name, "native", figure), start(runs, name, "virtual", figure))
    return {"good": all(len(found) == 1 for found in hashes.values()) and None not in every and not foreign,
            "hashes": hashes, "runs": runs}
