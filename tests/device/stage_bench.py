# SPDX-License-Identifier: Apache-2.0
"""The microbenchmarks, natively and virtually in alternation.

    run.py bench              all of them, 5 rounds
    run.py bench=calls:9      one group (calls, memory, pinned, pageable) or several, in so many rounds
"""
import json
import re
import statistics

from host import run
from machine import payload

ROUNDS = 5


def flat(numbers):
    values = {}
    for name, value in numbers.items():
        if isinstance(value, dict):
            values.update({f"{name}.{key}": number for key, number in value.items() if key in ("p50", "p99", "p99.5")})
        else:
            values[name] = value
    return values


def measure(command, environment):
    result = run(command, 240, environment)
    if result["status"] != 0:
        print("bench ended with", result["status"], result["stderr"])
        return None
    return flat(json.loads("\n".join(result["lines"])))


def medians(rounds):
    rounds = [numbers for numbers in rounds if numbers]
    if not rounds:
        return {}
    return {name: statistics.median(numbers[name] for numbers in rounds) for name in rounds[0]}


def executor_starts(log):
    """Where executors say that the time of their start went."""
    return re.findall(r'msg="start: ([^"]*)"', log)[-2 * ROUNDS:]


def stage(host, names=(), rounds=ROUNDS):
    command, count = [payload("tests/bench"), *names], rounds
    environment = {"BENCH_DIVIDE": "50"} if host.rehearsal else {}
    rounds = {"native": [], "virtual": []}
    for _ in range(1 if host.rehearsal else count):
        if not host.rehearsal:
            rounds["native"].append(measure(host.native(command), environment))
        rounds["virtual"].append(measure(host.virtual(command), environment))
    table = {kind: medians(numbers) for kind, numbers in rounds.items()}
    print(f"{'':40} {'native':>12} {'virtual':>12} {'ratio':>8}")
    for name, ours in table["virtual"].items():
        theirs = table["native"].get(name)
        print(f"{name:40} {theirs or 0:12.4g} {ours:12.4g} {ours / theirs:8.3f}" if theirs else f"{name:40} {'-':>12} {ours:12.4g}")
    starts = executor_starts(host.log())
    print(*starts[-2:], sep="\n")
    return {"good": all(rounds["virtual"] + rounds["native"]), "medians": table, "rounds": rounds, "executor_starts": starts}
