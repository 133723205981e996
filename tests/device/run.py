#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the stages named on the command line on this machine's GPU and writes $OUT/STAGE.json:

    run.py [--soft] functions bench llama vm conformance programs walls residue

A stage may be told which of its parts to run, and in how many rounds: programs=torch_gemm,generate_1b:5. --soft is a
rehearsal on any machine: the GPU in software, and "native" runs are virtual ones too. Status 1 when a stage is bad.
"""
import argparse
import importlib
import os
import sys
import traceback

import machine
from host import Host

STAGES = ("functions", "bench", "scale", "modules", "launchpath", "tails", "pinned", "memory", "llama", "vm", "conformance", "programs", "walls", "residue", "monitoring", "watchdog", "parking", "sharing", "timeslice", "restart")
REHEARSAL = {"parking": {"sizes": (64,), "rounds": 2, "tenants": 3, "mib": 16},
             "launchpath": {"launches": 50_000}, "tails": {"names": ("virtual", "no_walls"), "rounds": 1, "beside_rounds": 20}, "pinned": {"mib": 8}, "memory": {"mib": 8}, "sharing": {"seconds": 1, "step": (4, 500, 20000), "hogs": (1000, 5000), "sweep_seconds": 0.6,
                         "decoding": {"gpu_layers": 0, "prompt": 32, "tokens": 40, "threads": 2, "pace": 20, "learn": 5, "start": 10, "fast_tokens": 200,
                                      "shape": ("2", "512", "1024", "8", "2", "4096")}},
             "timeslice": {"names": ("alone", "hog_alone", "usual", "slice_200", "two_hogs_500_8000"), "step": (4, 500, 20000)},
             "scale": {"counts": (1, 2), "rounds": 1, "milliseconds": 200}, "modules": {"size": 4 << 20, "rounds": 1},
             "llama": {"gpu_layers": 0, "prompt": 32, "new_tokens": 8, "threads": 2, "rounds": 1,
                       "shape": ("2", "512", "1024", "8", "2", "4096")},
             "vm": {"llama": {"gpu_layers": 0, "prompt": 4, "new_tokens": 2, "threads": 2,
                              "shape": ("2", "256", "512", "4", "2", "512")}}}


def stage_request(text):
    """NAME, NAME=PART,PART or NAME=PART,PART:ROUNDS as the stage's name and what it is called with."""
    name, _, parts = text.partition("=")
    if name not in STAGES:
        raise argparse.ArgumentTypeError(f"no stage {name}: there are {', '.join(STAGES)}")
    parts, _, rounds = parts.partition(":")
    request = {"names": parts.split(",")} if parts else {}
    if rounds:
        request["rounds"] = int(rounds)
    return name, request


def run_stage(name, request, host, soft):
    try:
        module = importlib.import_module("stage_" + name)
        result = module.stage(host, **{**(REHEARSAL.get(name, {}) if soft else {}), **request})
    except Exception:  # one stage's end must not keep the others from running
        result = {"good": False, "error": traceback.format_exc()}
        print(result["error"])
    machine.write_result(name, result)
    print(f"== {name}: {'good' if result['good'] else 'BAD'}", flush=True)
    return result["good"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--soft", action="store_true")
    parser.add_argument("stages", nargs="+", type=stage_request, metavar="STAGE[=PART,...[:ROUNDS]]")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)

    found = {} if arguments.soft else machine.facts()
    machine.write_result("machine", found)
    if not arguments.soft and not found["gpu"]:
        print("nvidia-smi finds no GPU:", found)
        return 1
    gpu = "soft" if arguments.soft else found["gpu"]["uuid"]
    print("machine:", found)
    # kernels compiled by the driver are kept where native runs and executors find them
    os.environ.setdefault("CUDA_CACHE_PATH", "/tmp/vgpu-cuda-cache")
    os.environ.setdefault("VGPU_LOG", "1")  # our libcuda says on stderr why something failed
    more = [] if arguments.soft else [other["uuid"] for other in machine.gpus()[1:]]
    with Host(gpu, rehearsal=arguments.soft, more=more) as host:
        good = [run_stage(name, request, host, arguments.soft) for name, request in arguments.stages]
        print("status:", host.vgpuctl("status").stdout)
        with open(os.path.join(machine.OUT, "mediatord.txt"), "w") as file:
            file.write(host.log()[-4_000_000:])
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
