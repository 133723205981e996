# SPDX-License-Identifier: Apache-2.0
"""What makes calls late that two processors have a part in, and a launch longer in an executor.

    run.py tails                     everything in alternation, 3 rounds
    run.py tails=native,virtual:9    these two, 9 rounds

Each of the kinds differs from `virtual` in one thing. Then one process's launches beside a thread that does what a guest's does, on any
processor and on each (BenchmarkBeside of mediatord/executor/process says what the names are).
"""
import contextlib
import os
import re
import shutil

from host import Host, run
from machine import WORK, payload
from stage_bench import measure, medians

ROUNDS = 3
BESIDE = 60  # rounds
SHOWN = ("launch_and_wait.p50", "launch_and_wait.p99", "launch_and_wait.p99.5", "launch_in_batches.p50", "pageable_d2h_4_bytes.p50",
         "pageable_d2h_4_bytes.p99.5", "away_per_second")


def siblings():
    """Processors by core, as the kernel knows; those that this process may use."""
    cores = set()
    for processor in os.sched_getaffinity(0):
        try:
            with open(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(processor))
    return sorted(cores, key=lambda text: int(re.split("[,-]", text)[0]))


def halves():
    """The cores in two: for programs, and for mediatord and executors."""
    cores = siblings()
    middle = (len(cores) + 1) // 2
    return [["taskset", "-c", ",".join(half)] for half in (cores[:middle], cores[middle:] or cores)]


KINDS = {
    "virtual": {},
    "no_walls": {"pool": 'walls = "off"\n'},
    # no signals to threads that run for 10 ms, no garbage collection
    "calm_runtime": {"prefix": ["env", "GODEBUG=asyncpreemptoff=1", "GOGC=off"]},
}
if shutil.which("taskset"):
    KINDS["apart"] = {"prefix": halves()[1]}


def beside(rehearsal, rounds):
    environment = {"GOTRACEBACK": "single"} | ({} if rehearsal else {"VGPU_BENCH_DRIVER": "libcuda.so.1"})
    result = run([payload("tests/launchpath"), "-test.run", "^$", "-test.bench", "BenchmarkBeside", "-test.benchtime", f"{rounds}x"], 60, environment)
    line = next((line for line in result["lines"] if line.startswith("BenchmarkBeside")), "")
    found = {name: float(value) for value, name in re.findall(r"([\d.]+) (?:ns/)?(\w+)", line.split("\t", 2)[-1])}
    if result["status"] != 0:
        print("launchpath ended with", result["status"], result["stderr"])
    return found


def stage(host, names=("native", *KINDS), rounds=ROUNDS, beside_rounds=BESIDE):
    environment = {"BENCH_DIVIDE": "50"} if host.rehearsal else {}
    command = [payload("tests/bench"), "tails"]
    numbers = {name: [] for name in names if not (name == "native" and host.rehearsal)}
    with contextlib.ExitStack() as stack:
        hosts = {}
        for name in numbers:
            if name != "native":
                work = f"{WORK}-tails-{name}"
                os.makedirs(work, exist_ok=True)
                hosts[name] = stack.enter_context(Host(host.gpus["default"], rehearsal=host.rehearsal, work=work,
                                                       options=("--run-dir", f"{work}/run"), **KINDS[name]))
        for _ in range(rounds):
            for name, of in numbers.items():
                line = hosts[name].virtual(command) if name in hosts else command
                of.append(measure(halves()[0] + line if name == "apart" else line, environment))
    table = {name: medians(of) for name, of in numbers.items()}
    print(f"{'':32}" + "".join(f"{name:>14}" for name in table))
    for figure in SHOWN:
        print(f"{figure:32}" + "".join(f"{of.get(figure, 0):14.4g}" for of in table.values()))
    found = beside(host.rehearsal, beside_rounds)
    print("halves of cores:", *siblings())
    for name, value in found.items():
        print(f"{'launch ' + name if name != 'own' else 'processor':32}{value:14.5g}")
    good = all(all(of) for of in numbers.values()) and "alone" in found
    return {"good": good, "medians": table, "rounds": numbers, "beside": found, "siblings": siblings()}
