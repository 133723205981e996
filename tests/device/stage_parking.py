# SPDX-License-Identifier: Apache-2.0
"""Idle processes parked in host memory: how long the next call of one takes, and a hundred that take turns on the GPU.

Every tenant (tests/programs/tenant.c) compares its memory, graph, event and pinned memory behind its parking. Good is: all of
them are right, and everybody who was to be parked was.
"""
import json
import statistics
import subprocess
import time

from host import Host
from machine import WORK, payload

SIZES = (1024, 16384)  # MiB
ROUNDS = 5
TENANTS, TENANT_MIB = 100, 100
AFTER = 2              # seconds of idleness, when they take turns


class Tenant:
    def __init__(self, host, mib, memory):
        self.mib = mib
        self.process = subprocess.Popen(host.virtual([payload("tests/tenant"), str(mib)], memory=memory), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.await_line("holds")

    def await_line(self, beginning):
        """The rest of the first line that begins so; other lines belong to the library."""
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("FAILED"):
                break
            if line.startswith(beginning):
                return line[len(beginning):].strip()
        raise RuntimeError(f"the tenant of {self.mib} MiB said {''.join(said)[-500:]!r}, ended with {self.process.poll()}")

    def ask(self, word, beginning):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.await_line(beginning)

    def touch(self):
        """Milliseconds from the launch of its graph to the end of that."""
        return float(self.ask("touch", "touched in"))

    def end(self):
        self.process.stdin.close()
        return self.process.wait(60)


def slots(host):
    return json.loads(host.vgpuctl("status", "--json").stdout)["slots"]


def settled(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds


def park(host):
    """Parks the one slot that there is; seconds until its memory is in host memory, and what vgpuctl said last."""
    command = [payload("bin/vgpuctl"), "--bus", host.address, "park", slots(host)[0]["uuid"]]
    settled(lambda: slots(host)[0]["memory_parked"] == 0, 10)  # it is told a little later that the last call woke it
    for _ in range(20):
        start = time.monotonic()
        said = subprocess.run(command, capture_output=True, text=True, timeout=120)
        text = said.stdout + said.stderr
        if "it has work" in text:  # its last call was a moment ago
            time.sleep(0.5)
            continue
        # the call gives up before large memory has moved; the executor does not
        parked = settled(lambda: slots(host)[0]["memory_parked"] > 0, 90)
        return time.monotonic() - start if parked else None, text
    return None, text


def wake(host, mib, rounds, expect):
    tenant = Tenant(host, mib, f"{mib + 2048}MiB")
    awake = [tenant.touch() for _ in range(rounds)]
    parking, woken = [], []
    for _ in range(rounds):
        seconds, said = park(host)
        expect(f"a tenant of {mib} MiB is parked: {said.strip()[-300:]}", seconds is not None)
        if seconds is None:
            break
        parking.append(seconds)
        woken.append(tenant.touch())
    tenant.ask("check", "right")
    expect(f"the tenant of {mib} MiB ends well", tenant.end() == 0)
    if woken:
        print(f"{mib} MiB: parked in {statistics.median(parking):.2f} s, next call {statistics.median(woken):.1f} ms"
              f" ({min(woken):.1f} to {max(woken):.1f}), awake {statistics.median(awake):.3f} ms")
    return {"mib": mib, "awake_ms": awake, "park_seconds": parking, "wake_ms": woken}


def turns(host, count, mib, rounds, expect):
    """Each is asked in turn, so that by the time of the next round it has been idle for long."""
    start = time.monotonic()
    tenants = [Tenant(host, mib, "2GiB") for _ in range(count)]
    begun = time.monotonic() - start
    woken = []
    for _ in range(rounds):
        everybody = settled(lambda: sum(slot["memory_parked"] > 0 for slot in slots(host)) == count, 30 + 10 * AFTER)
        expect("everybody is parked before a round", everybody)
        for tenant in tenants:
            woken.append(tenant.touch())
    for tenant in tenants:
        tenant.ask("check", "right")
    ended = [tenant.end() for tenant in tenants]
    expect("all end well", ended == [0] * count)
    print(f"{count} tenants of {mib} MiB: started in {begun:.1f} s, next call after parking {statistics.median(woken):.1f} ms"
          f" ({min(woken):.1f} to {max(woken):.1f}), all over after {time.monotonic() - start:.1f} s")
    return {"tenants": count, "mib": mib, "rounds": rounds, "start_seconds": begun, "wake_ms": woken, "seconds": time.monotonic() - start}


def stage(host, names=None, sizes=SIZES, rounds=ROUNDS, tenants=TENANTS, mib=TENANT_MIB):
    problems = []

    def expect(what, holds):
        if not holds:
            problems.append(what)
            print("  not so:", what)

    def own(name, pool, **more):
        work = f"{WORK}-{name}"
        return Host(host.gpus["default"], rehearsal=host.rehearsal, work=work, options=["--run-dir", f"{work}/run"], pool=pool, **more)

    result = {}
    if not names or "wake" in names:
        with own("wake", '[parking]\nafter = "never"\nhost_memory = "40GiB"\n') as one:
            result["wake"] = [wake(one, size, rounds, expect) for size in sizes]
    if not names or "turns" in names:
        with own("turns", f'[parking]\nafter = "{AFTER}s"\nhost_memory = "40GiB"\n', slots=tenants) as many:
            result["turns"] = turns(many, tenants, mib, 2, expect)
            events = many.vgpuctl("events", "--format", "json").stdout.splitlines()
            kinds = [json.loads(line)["kind"] for line in events]
            result["turns"]["events"] = {kind: kinds.count(kind) for kind in ("process-parked", "process-resumed")}
    return {"good": not problems, "problems": problems, **result}
