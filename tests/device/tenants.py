# SPDX-License-Identifier: Apache-2.0
"""Processes of one GPU's tenants (sharing.c), and what their results say: latencies of steps, rates, fairness."""
import calendar
import json
import os
import signal
import subprocess
import time

from machine import PAYLOAD
from watch import descendants

TIMELINES = 12  # of the slowest steps, and of others
WARM_UP_US = 500_000  # of a step's run, in which durations and the rhythm are learnt


class Tenant:
    """A process of tests/sharing that has used the GPU and waits to be started."""

    def __init__(self, command, environment=None, **options):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, cwd=PAYLOAD, start_new_session=True, env={**os.environ, **(environment or {})}, **options)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{command} is not ready: {self.process.communicate(timeout=20)[1][-1000:]}")

    def start(self, words=""):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def result(self, seconds=60):
        out, err = self.process.communicate(timeout=seconds)
        if self.process.returncode:
            raise RuntimeError(f"a tenant ended with {self.process.returncode}: {err[-1000:]}")
        return json.loads(out)

    def measure(self):
        """What a tenant says that measures once for each line."""
        self.start()
        text = ""
        while line := self.process.stdout.readline():
            text += line
            if line == "}\n":
                return json.loads(text)
        raise RuntimeError(f"a tenant ended with {self.process.wait(20)}: {self.process.stderr.read()[-1000:]}")

    def kill(self):
        """kill -9 of the program itself, not of vgpuctl."""
        for pid in descendants(self.process.pid):
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == "sharing":
                    os.kill(pid, signal.SIGKILL)
                    return
        raise RuntimeError("there is no program to kill")

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def quantile(values, part):
    values = sorted(values)
    return values[int((len(values) - 1) * part)] if values else None


def nanoseconds(text):
    """Since 1970, of a time as JSON has it."""
    whole, _, part = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1_000_000_000 + int(part.ljust(9, "0") or 0)


def timelines(decisions, begins_us, lengths_us, numbers):
    """The decisions around the slowest of some steps and around the last others of which mediatord remembers all, in microseconds since the step's begin."""
    known = [number for number in numbers if decisions and begins_us[number] - 4000 >= decisions[0][0]]
    slowest = sorted(known, key=lambda number: -lengths_us[number])[:TIMELINES]
    shown = []
    for number in sorted({*slowest, *known[-TIMELINES:]}):
        begin, length = begins_us[number], lengths_us[number]
        shown.append({"step": number, "latency_us": length,
                      "events": sorted((round(when - begin), *rest) for when, *rest in decisions if begin - 4000 <= when <= begin + length)})
    return shown


def latency(result, after=WARM_UP_US):
    values = [value for begin, value in zip(result["begins_us"], result["latencies_us"]) if begin >= after]
    return {"steps": len(values), "p50_us": quantile(values, 0.5), "p99_us": quantile(values, 0.99), "max_us": quantile(values, 1)}


def late_steps(result, usual_us):
    """Steps that took a quarter longer than usual: how many while the rhythm was learnt, then their part of all and the most in a row. A stall of a processor makes one late; many
    in a row are others' work that is let in because they are."""
    first = sum(value > 1.25 * usual_us for begin, value in zip(result["begins_us"], result["latencies_us"]) if begin < WARM_UP_US)
    late = [value > 1.25 * usual_us for begin, value in zip(result["begins_us"], result["latencies_us"]) if begin >= WARM_UP_US]
    longest = row = 0
    for one in late:
        row = row + 1 if one else 0
        longest = max(longest, row)
    return {"late_at_first": first, "late_part": sum(late) / max(len(late), 1), "late_in_a_row": longest}


def rates_together(decoders):
    """Tokens a second of each while all of them were at it, and how long that was."""
    begin, end = max(one["began"] for one in decoders), min(one["ended"] for one in decoders)
    rates = []
    for one in decoders:
        at, count = one["ended"], 0
        for microseconds in reversed(one["steps_us"]):
            count += begin <= at <= end
            at -= microseconds / 1e6
        rates.append(count / (end - begin))
    if end <= begin or not all(rates):
        raise RuntimeError(f"the decoders were at it together for {end - begin:.3f} s, {rates}")
    return rates, end - begin


def jain(values):
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values)) if any(values) else None
