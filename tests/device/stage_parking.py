# SPDX-License-Identifier: Apache-2.0
"""Idle processes parked in host memory: how long the next call of one takes, and a hundred that take turns on the GPU.

Every tenant (tests/programs/tenant.c) compares its memory, graph, event and pinned memory behind its parking. Good is: all of
them are right, and everybody who was to be parked was.
"""
import json
import queue
import statistics
import subprocess
import threading
import time

from host import Host
from machine import WORK, payload

SIZES = (1024, 16384)  # MiB
ROUNDS = 5
TENANTS, TENANT_MIB = 100, 100
ROOM_MIB = 8192
STARTED_AT_ONCE = 8
AFTER = 2              # seconds of idleness, when they take turns
# Bounds in seconds: of the stage, of one size's rounds, of one parking, of another answer
STAGE_SECONDS, ROUNDS_SECONDS, PARK_SECONDS, ANSWER_SECONDS = 145, 45, 25, 30


class Deadline:
    """How long something may still take."""

    def __init__(self, seconds, within=None):
        self.end = min(time.monotonic() + seconds, within.end if within else float("inf"))

    def left(self, at_most=1e9):
        return max(0.0, min(at_most, self.end - time.monotonic()))

    def over(self):
        return self.left() == 0


class Tenant:
    """tests/tenant, which begins to fill its memory at once."""

    def __init__(self, host, mib, memory, deadline):
        self.mib = mib
        self.deadline = deadline
        self.process = subprocess.Popen(host.virtual([payload("tests/tenant"), str(mib)], memory=memory), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def await_line(self, *beginnings):
        """The rest of the first line that begins with one of them; other lines belong to the library."""
        deadline, said = Deadline(ANSWER_SECONDS, self.deadline), []
        while True:
            try:
                line = self.lines.get(timeout=deadline.left())
            except queue.Empty:
                line = None
            if line is None or line.startswith("FAILED"):
                raise RuntimeError(f"no '{' or '.join(beginnings)}' of the tenant of {self.mib} MiB in time: it said"
                                   f" {''.join([*said, line or ''])[-500:]!r}, status {self.process.poll()}")
            for beginning in beginnings:
                if line.startswith(beginning):
                    return line[len(beginning):].strip()
            said.append(line)

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word, beginning):
        self.say(word)
        return self.await_line(beginning)

    def ask_either(self):
        """What it answers to "try": a CUDA result, or "touched in" and the milliseconds."""
        self.say("try")
        return self.either()

    def either(self):
        try:
            line = self.await_line("answered", "touched")
        except RuntimeError as error:
            return str(error)
        return f"touched {line}" if line.startswith("in") else line

    def touch(self):
        """Milliseconds from the launch of its graph to the end of that."""
        return float(self.ask("touch", "touched in"))

    def end(self):
        try:
            self.process.stdin.close()
            return self.process.wait(1 + self.deadline.left(20))
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            return self.process.wait(10)


def slots(host):
    return json.loads(host.vgpuctl("status", "--json").stdout)["slots"]


def settled(condition, seconds):
    deadline = Deadline(seconds)
    while not (holds := condition()) and not deadline.over():
        time.sleep(0.1)
    return holds


def logged(host, since):
    """What mediatord and executors have logged of parking, and what went wrong, since the log was that long."""
    telling = ("parking: ", "process parked", "process resumed", "level=error", "level=warn", "level=fatal")
    return [line[:400] for line in host.log()[since:].splitlines() if any(mark in line for mark in telling)][-30:]


def park(host, deadline):
    """Parks the one slot that there is; seconds until its memory is in host memory, None if it is not, and what vgpuctl said last."""
    text = ""
    settled(lambda: slots(host)[0]["memory_parked"] == 0, deadline.left(10))  # it is told a little later that the last call woke it
    while not deadline.over():
        start = time.monotonic()
        said = subprocess.run([payload("bin/vgpuctl"), "--bus", host.address, "park", slots(host)[0]["uuid"]], capture_output=True, text=True,
                              timeout=ANSWER_SECONDS)
        text = said.stdout + said.stderr
        # the call gives up before large memory has moved; the executor does not
        answers = "does not answer" not in text
        if settled(lambda: slots(host)[0]["memory_parked"] > 0, deadline.left(0.5 if answers else PARK_SECONDS)):
            return time.monotonic() - start, text
    return None, text


def wake(host, mib, rounds, whole, expect):
    began, deadline, problems = len(host.log()), Deadline(ROUNDS_SECONDS, whole), []
    awake, parking, woken = [], [], []
    tenant = Tenant(host, mib, f"{mib + 2048}MiB", whole)
    try:
        tenant.await_line("holds")
        awake = [tenant.touch() for _ in range(rounds)]
        while len(woken) < rounds and not deadline.over():
            seconds, said = park(host, Deadline(PARK_SECONDS, whole))
            if seconds is None:
                problems.append(f"a tenant of {mib} MiB is not parked in round {len(woken) + 1}: {said.strip()[-300:]}")
                break
            parking.append(seconds)
            woken.append(tenant.touch())
        if len(woken) < 2:
            problems.append(f"a tenant of {mib} MiB was parked {len(woken)} times")
        tenant.ask("check", "right")
    except Exception as error:
        problems.append(f"a tenant of {mib} MiB: {error!r}")
    if (status := tenant.end()) != 0:
        problems.append(f"the tenant of {mib} MiB ends with {status}")
    if woken:
        print(f"{mib} MiB: parked in {statistics.median(parking):.2f} s, next call {statistics.median(woken):.1f} ms"
              f" ({min(woken):.1f} to {max(woken):.1f}), awake {statistics.median(awake):.3f} ms, {len(woken)} rounds")
    log = logged(host, began)
    for problem in problems:
        expect(problem, False)
    for line in log if problems else []:
        print("  log:", line)
    return {"mib": mib, "awake_ms": awake, "park_seconds": parking, "wake_ms": woken, "log": log}


def turns(host, count, mib, rounds, whole, expect):
    """Each is asked in turn, so that by the time of the next round it has been idle for long."""
    def parked():
        return sum(slot["memory_parked"] > 0 for slot in slots(host))

    start = time.monotonic()
    result = {"tenants": count, "mib": mib, "rounds": rounds, "wake_ms": []}
    tenants, woken = [], result["wake_ms"]
    try:
        while len(tenants) < count:
            several = [Tenant(host, mib, "2GiB", whole) for _ in range(min(STARTED_AT_ONCE, count - len(tenants)))]
            tenants += several
            for tenant in several:
                tenant.await_line("holds")
        result["start_seconds"] = time.monotonic() - start
        for number in range(rounds):
            everybody = settled(lambda: parked() == count, whole.left(20 + AFTER))
            expect(f"{parked()} of {count} are parked before round {number + 1}", everybody)
            for tenant in tenants:
                woken.append(tenant.touch())
        for tenant in tenants:
            tenant.ask("check", "right")
    except Exception as error:
        expect(f"{count} tenants: {error!r}", False)
        result["log"] = logged(host, 0)
        for line in result["log"]:
            print("  log:", line)
    for tenant in tenants:
        tenant.process.stdin.close()
    ended = [tenant.end() for tenant in tenants]
    expect(f"{sum(status != 0 for status in ended)} of {count} do not end well", ended == [0] * count)
    result["seconds"] = time.monotonic() - start
    if woken:
        print(f"{count} tenants of {mib} MiB: started in {result.get('start_seconds', 0):.1f} s, next call after parking {statistics.median(woken):.1f} ms"
              f" ({min(woken):.1f} to {max(woken):.1f}), all over after {result['seconds']:.1f} s")
    return result


def room(host, mib, taken, whole, expect):
    """Three tenants on a GPU that has memory for two, as something else holds the rest: whoever has been idle for longest is parked."""
    def parked():
        return {slot["uuid"] for slot in slots(host) if slot["memory_parked"] > 0}

    result = {"mib": mib, "taken_mib": taken, "first_answer_ms": []}
    other = subprocess.Popen(host.native([payload("tests/tenant"), str(taken)]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) if taken else None
    tenants = []
    try:
        time.sleep(5 if taken else 0)  # it takes its memory at its start
        start = time.monotonic()
        for _ in range(3):
            tenants.append(Tenant(host, mib, f"{mib + 2048}MiB", whole))
            tenants[-1].await_line("holds")
            time.sleep(1.5)  # idle enough to make room
        result["start_seconds"] = time.monotonic() - start
        if taken:
            expect("one of three tenants is parked", len(parked()) == 1)
        for tenant in tenants:
            result["first_answer_ms"].append(tenant.touch())
            time.sleep(1.5)
            if taken:
                expect("one of three tenants is parked after a turn", len(parked()) == 1)
        for tenant in tenants:
            tenant.ask("check", "right")
            time.sleep(1.5)
    except Exception as error:
        expect(f"three tenants of {mib} MiB: {error!r}", False)
        result["log"] = logged(host, 0)
        for line in result["log"]:
            print("  log:", line)
    expect("the three end well", [tenant.end() for tenant in tenants] == [0, 0, 0])
    if other:
        other.stdin.close()
        other.wait(20)
    print(f"three tenants of {mib} MiB where two have room: next calls {', '.join(f'{value:.1f}' for value in result['first_answer_ms'])} ms")
    return result


def free_mib():
    """MiB of the first GPU that nobody has."""
    text = subprocess.run(["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", "--id=0"], capture_output=True, text=True, timeout=60).stdout
    return int(text)


def stage(host, names=None, sizes=SIZES, rounds=ROUNDS, tenants=TENANTS, mib=TENANT_MIB):
    problems, whole = [], Deadline(STAGE_SECONDS)

    def expect(what, holds):
        if not holds:
            problems.append(what)
            print("  not so:", what, flush=True)

    def own(name, pool, **more):
        work = f"{WORK}-{name}"
        return Host(host.gpus["default"], rehearsal=host.rehearsal, work=work, options=["--run-dir", f"{work}/run"], pool=pool, **more)

    result = {}
    if not names or "wake" in names:
        with own("wake", '[parking]\nafter = "never"\nhost_memory = "60GiB"\n') as one:
            result["wake"] = [wake(one, size, rounds, whole, expect) for size in sizes]
    if not names or "turns" in names:
        with own("turns", f'[parking]\nafter = "{AFTER}s"\nhost_memory = "60GiB"\n', slots=tenants) as many:
            result["turns"] = turns(many, tenants, mib, 2, whole, expect)
            events = many.vgpuctl("events", "--format", "json").stdout.splitlines()
            kinds = [json.loads(line)["kind"] for line in events]
            result["turns"]["events"] = {kind: kinds.count(kind) for kind in ("process-parked", "process-resumed")}
    if names and "room" in names:
        with own("room", '[parking]\nafter = "never"\nhost_memory = "40GiB"\n') as full:
            size = 16 if host.rehearsal else ROOM_MIB
            # contexts of three tenants, of warm executors and of the other process
            result["room"] = room(full, size, 0 if host.rehearsal else free_mib() - 2 * size - 6 * 600, whole, expect)
    if names and {"contexts", "full", "crowd"} & set(names):
        import parking_contexts  # which uses this module

        if "contexts" in names:
            result["contexts"] = parking_contexts.contexts(host, expect)
        if "full" in names:
            result["full"] = parking_contexts.full(host, expect)
        if "crowd" in names:
            result["crowd"] = parking_contexts.crowd(host, expect)
    return {"good": not problems, "problems": problems, **result}
