#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/benchmarks.md from the raw results: report.py (in the repository's root)."""
import json
import statistics

RESULTS = "tests/device/results/"

INTRODUCTION = """# Benchmarks

Every figure here was measured on one machine, natively and virtually in alternation in one run: {gpu}, driver {driver}, {processors} processors
({kernel}). Native is the bare driver; virtual is host-process mode (`vgpuctl run`), where the program has
no device node of the GPU and no file of the driver mapped, which the run checks. Raw results: [tests/device/results](../tests/device/results). The
commands that made them: [tests/device/README.md](../tests/device/README.md). This page is written from them by `tests/device/report.py`.

Figures are medians over the rounds; the spread is from the smallest to the largest round.
"""


def load(name):
    with open(RESULTS + name + ".json") as file:
        return json.load(file)


def spread(values):
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def table(rows, *header):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def llama():
    result = load("llama")
    rows = []
    for kind, sides in result["runs"].items():
        for name in ("prompt_tokens_per_second", "decode_tokens_per_second", "step_p50_us", "step_p99_us"):
            values = {side: [run["warm"][name] for run in runs] for side, runs in sides.items()}
            ratio = statistics.median(values["virtual"]) / statistics.median(values["native"])
            rows.append((kind.replace("_", " "), name.replace("_", " "), spread(values["native"]), spread(values["virtual"]),
                         f"{ratio:.3f}"))
    runs = sum(len(side) for sides in result["runs"].values() for side in sides.values())
    text = (f"Unmodified CUDA backend of llama.cpp b6845 (npm `@node-llama-cpp/linux-x64-cuda` 3.14.2), random weights in a Llama-3.2-1B shape, Q4_K,\n"
            f"512 tokens of prompt, 256 greedy tokens. {runs} runs, natively and virtually, with and without CUDA graphs, gave "
            f"{'one hash' if len(result['hashes']) == 1 else 'DIFFERENT hashes'}\nover all tokens and logits: `{', '.join(result['hashes'])}`.\n\n")
    return "## llama.cpp\n\n" + text + table(rows, "mode", "figure", "native", "virtual", "ratio")


def bench():
    medians = load("bench")["medians"]
    rows = [(name, f"{native:.4g}", f"{medians['virtual'][name]:.4g}", f"{medians['virtual'][name] / native:.3f}")
            for name, native in medians["native"].items() if native and name in medians["virtual"]]
    return ("## Calls and copies\n\nMicroseconds unless the name says otherwise; [tests/device/bench.c](../tests/device/bench.c). "
            "A ratio below 1 is faster for times, slower for rates.\n\n" + table(rows, "call", "native", "virtual", "ratio"))


def functions():
    programs = load("functions")["programs"]
    rows = [(name, "yes" if record["good"] else "no", "; ".join(record.get("differences", [])) or "-") for name, record in programs.items()]
    return "## Same answers\n\nTest programs print the same natively and virtually:\n\n" + table(rows, "program", "same", "differences")


def vm():
    result = load("vm")
    rows = [(name, step["exit"], step["ms"]) for name, step in result["steps"].items()]
    return ("## In a VM\n\nA VM under QEMU's emulation (TCG: function, not speed) on the same machine; the programs reach the GPU through "
            "`/dev/vgpu0`. `spin` is killed by\nthe test with SIGKILL (status 137); what follows shows that its executor is gone.\n\n"
            + table(rows, "step", "status", "milliseconds"))


def main():
    machine = load("machine")
    text = INTRODUCTION.format(gpu=machine["gpu"]["name"], driver=machine["gpu"]["driver"], processors=machine["processors"],
                               kernel=machine["kernel"].split(" #")[0])
    with open("docs/benchmarks.md", "w") as file:
        file.write("\n".join([text, llama(), bench(), functions(), vm()]))


main()
