# SPDX-License-Identifier: Apache-2.0
"""What the scheduler costs a tenant that is alone: each of some terms has a mediatord of its own, and they take turns.

One process and its executor differ from the next by more than what is looked for, and so does a processor from another, from
one second to the next. So every life has a new process of each side, both sides' processes are on the same two processors, and
their executors on the same two, other ones in each life.
"""
import os
import statistics

from stage_tails import siblings
from tenants import Tenant
from watch import descendants

TERMS = ("unscheduled", "default")  # without and with the scheduler
LIVES, ROUNDS, SECONDS = 8, 10, 0.25
BAR = 0.99
FIGURES = {
    "launch_and_wait_p50": lambda one: one["launch_and_wait_us"]["p50"],
    "launch_and_wait_p99": lambda one: one["launch_and_wait_us"]["p99"],
    "launches_per_second": lambda one: one["launches_per_second"],
}


def pin(pid, processor):
    """All threads that a process has, and so those that it starts."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {processor})


def places(life):
    """Processors of a life's processes and of their executors, of different cores where there are two."""
    cores = [int(core.replace("-", ",").split(",")[0]) for core in siblings()]
    return cores[life % len(cores)], cores[(life + len(cores) // 2) % len(cores)]


def start(bench, processors):
    """A tenant whose process and executor stay on these processors."""
    before = set(bench.host.executors())
    tenant = Tenant(bench.command("cost", SECONDS))
    for pid in descendants(tenant.process.pid):
        pin(pid, processors[0])
    for pid in set(bench.host.executors()) - before:
        pin(pid, processors[1])
    return tenant


def measure(benches, lives=LIVES, rounds=ROUNDS):
    """benches: by the terms' names. Records by name#life.round."""
    found, names = {}, tuple(benches)
    for life in range(lives):
        processors, living = places(life), {}
        try:
            for name in (names, names[::-1])[life % 2]:
                living[name] = start(benches[name], processors)
            for number in range(rounds):
                for name in (names, names[::-1])[number % 2]:
                    found[f"{name}#{life}.{number}"] = {"processors": processors, **living[name].measure()}
        finally:
            for tenant in living.values():
                tenant.end()
    return found


def together(rounds):
    """The records of several rounds of the stage, each with lives of its own."""
    return {name.replace("#", f"#{number}-"): one for number, found in enumerate(rounds) for name, one in found.get("cost", {}).items()}


def ratios(found):
    """With the scheduler to without, of each life's medians: above 1 is worse for times, below for rates. None without any."""
    lives = {}
    for name, one in found.items():
        terms, _, place = name.partition("#")
        lives.setdefault(place.partition(".")[0], {}).setdefault(terms, []).append(one)
    lives = [life for life in lives.values() if set(TERMS) <= life.keys()]
    if not lives:
        return None
    result = {"lives": len(lives), "bar_launches_per_second": BAR}
    for figure, pick in FIGURES.items():
        values = [statistics.median(map(pick, life[TERMS[1]])) / statistics.median(map(pick, life[TERMS[0]])) for life in lives]
        result[figure] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return result
