#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/benchmarks.md and its plot from the raw results: report.py (in the repository's root)."""
import json
import os
import statistics
import subprocess
import sys

import bars
import report_sharing
import report_tenants
from bars import spread

RESULTS = "tests/device/results/"
STAGES = ("machine", "bench", "launchpath", "scale", "modules", "llama", "programs", "functions", "sharing", "vm", "vm_ollama",
          "parking", "parking_turns", "sharing_decode", "sharing_decoders", "sharing_cost", "sharing_beside", "decode_tried", "watchdog", "memory", "conformance", "timeslice", "slices_tried")

OTHERS = tuple(f"bench_{which}_machine.json" for which in ("first", "second", "third", "fifth", "sixth", "seventh", "eighth"))

INTRODUCTION = """# Benchmarks

Figures of one row come from one run on one machine, natively and virtually in alternation; rows of the first table, of tenants and of parked processes, and tables, from several machines of one kind: {gpu}, driver {driver}, {processors} processors
({kernel}). Native is the bare driver; virtual is host-process mode (`vgpuctl run`), where the program has
no device node of the GPU and no file of the driver mapped, which the run checks. Raw results: [tests/device/results](../tests/device/results). The
commands that made them: [tests/device/README.md](../tests/device/README.md). This page is written from them by `tests/device/report.py`.

Figures are medians over the rounds; in parentheses from the smallest to the largest round. A ratio is virtual to native.
"""


def load_all():
    results = {}
    for name in STAGES:
        path = RESULTS + name + ".json"
        if os.path.exists(path):
            with open(path) as file:
                results[name] = without_failed(json.load(file))
    results["others"] = {}
    for name in OTHERS:
        with open(RESULTS + name) as file:
            results["others"][name] = without_failed(json.load(file))
    return results


def without_failed(value):
    """A run that failed is null in the raw results."""
    if isinstance(value, dict):
        return {key: without_failed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_failed(one) for one in value if one is not None]
    return value


def table(rows, *header):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def goals(results):
    rows, missing = bars.rows(results, results["others"])
    reached = sum(row[5] == "reached" for row in rows)
    text = f"## What was aimed at\n\n{reached} of {len(rows)} bars that were measured are reached.\n\n"
    text += table([row[:6] for row in rows], "what", "native", "virtual", "ratio", "bar", "")
    reasons = [f"- {row[0]}: {row[6]}" for row in rows if row[6]]
    if reasons:
        text += (f"\nWhere a bar is missed, here or in another run of `bench` ({', '.join(f'`{name}`' for name in results['others'])}, in the order of time, of what the project was before this run):\n\n"
                 + "\n".join(reasons) + "\n")
    if missing:
        text += "\nNot measured in these results: " + ", ".join(missing) + ".\n"
    return text


def llama(results):
    runs = results["llama"]["runs"]
    rows = []
    for kind, sides in runs.items():
        for name in ("prompt_tokens_per_second", "decode_tokens_per_second", "step_p50_us", "step_p99_us", "load_seconds", "first_token_seconds"):
            values = {side: [run.get(name, run["warm"].get(name)) for run in several] for side, several in sides.items()}
            if None in values["native"] + values["virtual"] or not all(values.values()):
                continue
            ratio = statistics.median(values["virtual"]) / statistics.median(values["native"])
            rows.append((kind.replace("_", " "), name.replace("_", " "), spread(values["native"]), spread(values["virtual"]), f"{ratio:.3f}"))
    hashes = results["llama"]["hashes"]
    hashes = list(hashes.values()) if isinstance(hashes, dict) else [hashes]
    count = sum(len(side) for sides in runs.values() for side in sides.values())
    text = (f"Unmodified CUDA backend of llama.cpp b6845 (npm `@node-llama-cpp/linux-x64-cuda` 3.14.2), random weights in the shapes of Llama-3.2-1B and, where "
            f"the mode says so, of\nLlama-3-8B, Q4_K, 512 tokens of prompt. {count} runs, natively and virtually, gave "
            f"{'one hash per model' if all(len(found) == 1 for found in hashes) else 'DIFFERENT hashes'} over all tokens\nand logits: "
            f"{', '.join(f'`{hash}`' for found in hashes for hash in found)}. Load and first token count from the start of the process.\n\n")
    return "## llama.cpp\n\n" + text + table(rows, "mode", "figure", "native", "virtual", "ratio")


def bench(results):
    rounds = {side: [numbers for numbers in several if numbers] for side, several in results["bench"]["rounds"].items()}
    rows = []
    for name in rounds["virtual"][0]:
        native, virtual = ([numbers[name] for numbers in rounds[side] if name in numbers] for side in ("native", "virtual"))
        if native and statistics.median(native):
            better = "more" if name.endswith(("_per_second", "_GBps")) else "less"
            rows.append((name, spread(native), spread(virtual), f"{statistics.median(virtual) / statistics.median(native):.3f}", better))
    return ("## Calls and copies\n\n![Speed relative to the bare driver, and bandwidth of copies by size](benchmarks.svg)\n\n"
            f"{len(rounds['virtual'])} alternations. Microseconds unless the name says otherwise; [tests/device/bench.c](../tests/device/bench.c). "
            "The last column says what is better.\n\n" + table(rows, "call", "native", "virtual", "ratio", "better"))


SCALED = (("latency", "p50_us"), ("latency", "p99_us"), ("latency", "waits_per_second"), ("throughput", "launches_per_second"),
          ("throughput", "cpu_seconds_per_million_launches"))


def scale(results):
    if "scale" not in results:
        return ""
    runs = results["scale"]["runs"]
    rows = []
    for count, sides in runs.items():
        for step, name in SCALED:
            native, virtual = ([run[step][name] for run in sides[side]] for side in ("native", "virtual"))
            if not native or not virtual:
                continue
            rows.append((count, name.replace("_", " "), spread(native), spread(virtual),
                         f"{statistics.median(virtual) / statistics.median(native):.3f}"))
    alone = [memory["alone"] for sides in runs.values() for run in sides["virtual"]
             for memory in run["ready"]["executors_memory_mib"] if memory]
    gpu = {side: [run["ready"]["gpu_memory_mib"] / int(count) for count, sides in runs.items() for run in sides[side]
                  if run["ready"]["gpu_memory_mib"]] for side in ("native", "virtual")}
    text = ("## Many processes\n\nGuest processes of one domain at once, each with its context: launch + wait one by one for a second, then empty kernels as fast as "
            "they go for a\nsecond. Rates are sums over the processes, times medians over them. Processor seconds count the programs and, virtually, their executors.\n\n")
    text += table(rows, "processes", "figure", "native", "virtual", "ratio")
    if alone:
        text += f"\nAn executor with a context has {spread(alone)} MiB of host memory to itself. A channel is 1 MiB of the window, mapped where it is touched.\n"
    if gpu["native"] and gpu["virtual"]:
        text += f"GPU memory per process with a context, MiB: natively {spread(gpu['native'])}, virtually {spread(gpu['virtual'])}.\n"
    return text


STEPS = {"driver": "the driver's call from Go", "decoded": "a record decoded and executed", "executed": "with what the executor counts and notes",
         "consumed": "out of the ring, in runs, without a lease", "unlimited": "the same under an unlimited lease",
         "limited": "the same under a limited lease", "limited_one_by_one": "one by one, under a limited lease",
         "between_processors": "in runs, the ring filled by another processor",
         "limited_between_processors": "the same under a limited lease, the ring filled by another processor"}


def launchpath(results):
    if "launchpath" not in results:
        return ""
    steps = results["launchpath"]["steps"]
    rows = [(text, f"{steps[step]['ns/launch']:.0f}", f"{steps[step]['ns/launch-least']:.0f}" if "ns/launch-least" in steps[step] else "-")
            for step, text in STEPS.items() if step in steps]
    return ("## A posted launch in the executor\n\nIn one process, without a guest: nanoseconds per launch of an empty kernel, the driver's call included, in batches "
            "of 512.\n\n" + table(rows, "up to", "median", "least"))


def modules(results):
    if "modules" not in results:
        return ""
    rows = [(side, time, spread([run["load_ms"] for run in several])) for side, times in results["modules"]["runs"].items()
            for time, several in times.items() if several]
    return (f"## Large modules\n\n`cuModuleLoadData` of a fatbin of {results['modules']['bytes'] / 1e6:.0f} MB (entries of cuBLAS for all architectures), each time in a "
            "fresh process. Virtually its\nbytes travel the first time; the second time the host has them.\n\n" + table(rows, "side", "load", "milliseconds"))


def functions(results):
    programs = results["functions"]["programs"]
    rows = [(name, "yes" if record["good"] else "no", "; ".join(record.get("differences", [])) or "-") for name, record in programs.items()]
    text = "## Same answers\n\nTest programs print the same natively and virtually:\n\n" + table(rows, "program", "same", "differences")
    if checks := results.get("conformance", {}).get("checks"):
        different = [name for name, record in checks.items() if not record["good"]]
        text += (f"\nOf the conformance suite's {len(checks)} checks, each in a process of its own, {len(checks) - len(different)} answer the same natively and virtually"
                 + (f"; `{'`, `'.join(different)}` did not.\n" if different else ".\n"))
    return text


def vm(results):
    rows = [(name, step["exit"], step["ms"]) for name, step in results["vm"]["steps"].items() if name not in report_tenants.IN_VM]
    return ("## In a VM\n\nA VM under QEMU's emulation (TCG: function, not speed) on the same machine; the programs reach the GPU through "
            "`/dev/vgpu0`. `spin` is killed by\nthe test with SIGKILL (status 137); what follows shows that its executor is gone.\n\n"
            + table(rows, "step", "status", "milliseconds") + report_tenants.programs_in_vm(results, table))


def sharing(results):
    return report_sharing.section(results, table)


def tenants(results):
    return "\n".join(filter(None, (part(results, table) for part in (report_tenants.parking, report_tenants.watchdog, report_tenants.memory))))


def main():
    results = load_all()
    machine = results["machine"]
    gpu = machine["gpu"]
    text = INTRODUCTION.format(gpu=gpu["name"], driver=gpu["driver"], processors=machine["processors"], kernel=machine["kernel"].split(" #")[0])
    parts = [part(results) for part in (goals, llama, bench, launchpath, scale, modules, functions, vm, sharing, tenants)]
    with open("docs/benchmarks.md", "w") as file:
        file.write("\n".join([text] + [part for part in parts if part]))
    subprocess.run([sys.executable, "tests/device/plot.py", RESULTS + "bench.json", "docs/benchmarks.svg"], check=True)


main()
