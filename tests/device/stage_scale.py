# SPDX-License-Identifier: Apache-2.0
"""1 to 16 guest processes of one domain at once, natively and virtually: latency, throughput, processors, memory."""
import json
import os
import statistics
import subprocess

from host import run
from machine import PAYLOAD, payload
from processes import cpu_seconds, memory_mib

COUNTS = (1, 2, 4, 8, 16)
ROUNDS = 5
MILLISECONDS = 1000


def gpu_memory_mib():
    result = run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], 20)
    return float(result["lines"][0]) if result["status"] == 0 else None


def measure(host, command):
    """One run: the steps' numbers and, of the executors, processor seconds of a step and memory."""
    before = gpu_memory_mib() if not host.rehearsal else None
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PAYLOAD)
    numbers, cpu = {}, 0.0
    try:
        for line in process.stdout:
            step = json.loads(line)
            executors = host.executors()
            now = cpu_seconds(executors)
            name = step.pop("step")
            step["executors_cpu_seconds"] = round(now - cpu, 3)
            cpu = now
            if name == "ready":
                step["executors"] = len(executors)
                step["executors_memory_mib"] = [memory_mib(pid) for pid in executors]
                after = gpu_memory_mib() if not host.rehearsal else None
                step["gpu_memory_mib"] = after - before if after and before else None
            numbers[name] = step
            process.stdin.write("\n")
            process.stdin.flush()
        process.wait(60)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        print("bench_scale:", error)
    if process.poll() is None:
        process.kill()
    status, errors = process.wait(), process.stderr.read()
    if status or "throughput" not in numbers:
        print("bench_scale ended with", status, errors[-1000:])
        return None
    throughput = numbers["throughput"]
    throughput["cpu_seconds_per_million_launches"] = (
        (throughput["cpu_seconds"] + throughput["executors_cpu_seconds"]) / throughput["launches"] * 1e6)
    return numbers


def median(runs, step, name):
    values = [numbers[step][name] for numbers in runs if numbers]
    return statistics.median(values) if values else None


COLUMNS = (("latency", "p50_us"), ("latency", "p99_us"), ("latency", "waits_per_second"), ("throughput", "launches_per_second"),
           ("throughput", "cpu_seconds_per_million_launches"))


def stage(host, counts=COUNTS, rounds=ROUNDS, milliseconds=MILLISECONDS):
    runs = {count: {"native": [], "virtual": []} for count in counts}
    for _ in range(rounds):
        for count, sides in runs.items():
            command = [payload("tests/bench_scale"), str(count), str(milliseconds)]
            sides["native"].append(measure(host, host.native(command)))
            sides["virtual"].append(measure(host, host.virtual(command)))
    print(f"{'processes':10}{'side':10}" + "".join(f"{name:>34}" for _, name in COLUMNS))
    for count, sides in runs.items():
        for side, results in sides.items():
            values = [median(results, step, name) for step, name in COLUMNS]
            print(f"{count:<10}{side:10}" + "".join(f"{value or 0:34.4g}" for value in values))
    every = [numbers for sides in runs.values() for side in sides.values() for numbers in side]
    return {"good": None not in every, "processors": os.cpu_count(), "runs": runs}
