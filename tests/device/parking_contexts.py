# SPDX-License-Identifier: Apache-2.0
"""Processes that are parked with their contexts: what they still have on the GPU and on the host, and how long the next call takes.

Executors run as an unprivileged user behind the walls that a pool has if its file says nothing. If something is refused, the
result holds what executors and the kernel said, and what a trial of the walls found.
"""
import glob
import json
import os
import shutil
import signal
import statistics
import subprocess

import ledger
from host import Host
from machine import WORK, payload
from stage_parking import ANSWER_SECONDS, Deadline, Tenant, free_mib, settled, slots

TENANTS, MIB, ROUNDS = 3, 100, 5
SECONDS = 55          # of the whole part
PARK_SECONDS = 15     # of one parking of all
CONTEXT_MIB = 520     # about what one takes on an H200
LEFT_MIB = 150        # of a GPU that is full
BLIND_SECONDS = 8     # in which an executor hears nothing of mediatord, and then tries
REHEARSAL_MIB, REHEARSAL_TENANT_MIB = 3500, 16
PROBED = "syscall=444"  # landlock_create_ruleset: executors try whether that wall stands
MOSTLY = 0.9          # of the tenants' memory leaves the GPU


def host_of(host, walls=None, context_after="never", shared=None):
    """A mediatord as the packages start it: executors are somebody else's. shared is the path of their GPU's ledger, in a rehearsal."""
    work = f"{WORK}-contexts{'-' + walls if walls else ''}"
    executor = f"{work}-executor"  # where every user may run it
    os.makedirs(os.path.dirname(executor), exist_ok=True)
    shutil.copy(payload("bin/vgpu-executor"), executor)
    os.chmod(executor, 0o755)
    pool = f'[parking]\nafter = "never"\ncontext_after = "{context_after}"\nhost_memory = "20GiB"\n'
    if walls:
        pool = f'walls = "{walls}"\n' + pool
    own = Host(host.gpus["default"], rehearsal=host.rehearsal, work=work, pool=pool,
               options=["--run-dir", f"{work}/run", "--executor", executor, "--executor-user", "nobody"],
               prefix=["env", f"{ledger.VARIABLE}={shared}"] if shared else ())
    own.warm, own.kernel_said = 0, len(kernel_log())
    return own


def used_mib(rehearsal):
    """MiB of the first GPU that somebody has; the GPU in software tells nobody."""
    if rehearsal:
        return None
    text = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"], capture_output=True, text=True, timeout=60).stdout
    return int(text)


def channels(host):
    return [channel for slot in slots(host) for channel in slot["channels"]]


def park(host, count, deadline):
    """Parks everybody with context; seconds that took, None if somebody is not, and why."""
    kept = []
    within = Deadline(PARK_SECONDS, deadline)
    seconds = 0.0
    while not within.over():
        started = within.left()
        kept = []
        for slot in slots(host):
            said = subprocess.run([payload("bin/vgpuctl"), "--bus", host.address, "park", "--context", "--json", slot["uuid"]],
                                  capture_output=True, text=True, timeout=ANSWER_SECONDS)
            kept += json.loads(said.stdout)["kept"] if said.returncode == 0 else [said.stderr.strip()[-300:]]
        seconds += started - within.left()
        parked = sum(channel["context_parked"] for channel in channels(host))
        if parked == count:
            return seconds, kept
        settled(lambda: False, within.left(0.3))
    return None, kept


def resident_mib(host):
    """MiB of anonymous memory of each executor."""
    found = []
    for channel in channels(host):
        with open(f"/proc/{channel['executor_pid']}/status") as file:
            found += [int(line.split()[1]) >> 10 for line in file if line.startswith("RssAnon:")]
    return found


def said(host, most=40):
    """What executors, mediatord and the kernel's filter of system calls have said."""
    telling = ("parking: ", "process parked", "resumed", "level=error", "level=warn", "level=fatal", 'msg="fault', "walls:")
    lines = [line[:400] for line in host.log().splitlines() if any(mark in line for mark in telling)][-most:]
    return lines + [line[:400] for line in kernel_log()[host.kernel_said:] if ("type=1326" in line and PROBED not in line) or "NVRM" in line][-10:]


def kernel_log():
    return subprocess.run(["dmesg"], capture_output=True, text=True).stdout.splitlines()


def turns(host, rounds, deadline, expect):
    result = {"tenants": TENANTS, "mib": MIB, "used_mib": {}, "park_seconds": [], "wake_ms": [], "awake_ms": []}
    used = result["used_mib"]
    used["alone"] = used_mib(host.rehearsal)
    tenants = []
    try:
        for _ in range(TENANTS):
            tenants.append(Tenant(host, MIB, "2GiB", deadline))
            tenants[-1].await_line("holds")
        used["awake"] = used_mib(host.rehearsal)
        result["walls"] = sorted({channel["walls"] for channel in channels(host)})
        result["awake_ms"] = [tenant.touch() for tenant in tenants]
        for number in range(rounds):
            seconds, kept = park(host, TENANTS, deadline)
            if seconds is None:
                raise RuntimeError(f"not everybody is parked with context in round {number + 1}: {kept}")
            result["park_seconds"].append(seconds)
            if number == 0:
                used["parked"] = used_mib(host.rehearsal)
                result["resident_mib"] = resident_mib(host)
                result["host_memory"] = sum(channel["parked_host_memory"] for channel in channels(host))
            result["wake_ms"] += [tenant.touch() for tenant in tenants]
        used["awake_again"] = used_mib(host.rehearsal)
        for tenant in tenants:
            tenant.ask("check", "right")
        if not host.rehearsal:
            left = used["parked"] - used["alone"]
            expect(f"parked tenants have {left} of {used['awake'] - used['alone']} MiB", left <= (1 - MOSTLY) * (used["awake"] - used["alone"]))
        if park(host, TENANTS, deadline)[0] is None:
            raise RuntimeError("not everybody is parked with context at the end")
        tenants[0].process.kill()  # while it is parked
        tenants.pop(0).process.wait(10)
        expect("a parked process that is killed leaves nothing", settled(lambda: len(channels(host)) == TENANTS - 1, deadline.left(10)))
        for tenant in tenants:
            tenant.ask("check", "right")
    except Exception as error:
        expect(f"{TENANTS} tenants parked with context: {error!r}", False)
        result["failed"] = True
    ended = [tenant.end() for tenant in tenants]
    expect(f"tenants end with {ended}", not any(ended))
    if result["wake_ms"]:
        result["wake_median_ms"] = statistics.median(result["wake_ms"])
        print(f"{TENANTS} tenants of {MIB} MiB parked with context in {statistics.median(result['park_seconds']):.2f} s, next call"
              f" {result['wake_median_ms']:.1f} ms ({min(result['wake_ms']):.1f} to {max(result['wake_ms']):.1f});"
              f" MiB of the GPU in use {used}, of the host {result.get('resident_mib')}")
    result["log"] = said(host)
    return result


def trial(host, deadline):
    """What the walls would refuse while one tenant is parked with context and comes back."""
    with host_of(host, "trial") as own:
        tenant = Tenant(own, MIB, "2GiB", deadline)
        try:
            tenant.await_line("holds")
            parked = park(own, 1, deadline)
            touched = tenant.touch()
        except Exception as error:
            parked, touched = None, repr(error)
        tenant.end()
        found = []
        for path in glob.glob(f"{own.work}/modules/**/trial-*.txt", recursive=True):
            with open(path, errors="replace") as file:
                found += file.read().splitlines()
        refused = sorted(line for line in set(found) if line != "file read openat /")  # executors try whether that wall stands
        if parked and not refused and isinstance(touched, float):
            refused = ["nothing by files or system calls: what is left is the wall \"memory\" (the process is not dumpable)"]
        return {"parked": parked, "touched": touched, "would_be_refused": refused, "log": said(own)}


def contexts(host, expect, rounds=ROUNDS):
    deadline = Deadline(SECONDS)
    with host_of(host) as own:
        result = turns(own, rounds, deadline, expect)
    if result.get("failed"):
        for line in result["log"]:
            print("  log:", line)
        result["trial"] = trial(host, Deadline(max(deadline.left(), 20)))
        print("  without walls:", json.dumps(result["trial"])[:3000])
    return result


class Scarce:
    """A GPU of which somebody else takes most: another program, or in a rehearsal an entry in the ledger of a GPU in software."""

    def __init__(self, host, name):
        self.host, self.taken = host, None
        self.shared = f"{WORK}-{name}-ledger" if host.rehearsal else None
        if self.shared:
            os.makedirs(os.path.dirname(self.shared), exist_ok=True)
            ledger.create(self.shared, REHEARSAL_MIB, ledger.STUCK)

    def free_mib(self):
        return ledger.free_mib(self.shared) if self.shared else free_mib()

    def take_all_but(self, mib, deadline):
        """Leaves about as much."""
        free = self.free_mib()
        if self.shared:
            self.taken = ledger.Filler(self.shared, free - mib)
            return
        most = free - mib - CONTEXT_MIB
        self.taken = subprocess.Popen(self.host.native([payload("tests/tenant"), str(most)]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        if not settled(lambda: self.free_mib() < CONTEXT_MIB, deadline.left(15)):
            raise RuntimeError(f"{self.free_mib()} MiB are free beside a program that takes {most}")

    def give_back(self):
        taken, self.taken = self.taken, None
        if taken and self.shared:
            taken.close()
        elif taken:
            taken.stdin.close()
            taken.wait(20)


def tries(tenant, deadline):
    """What tenant.try answers until it is no longer that there is no room, or the time is over."""
    answers = []
    while not answers or answers[-1] == "2" and not deadline.over():
        if answers:
            settled(lambda: False, deadline.left(0.5))
        answers.append(tenant.ask_either())
    return answers


def full(host, expect):
    """Processes parked with their contexts, while somebody else has the rest of the GPU. One ends all that it has without room. The next call of
    another is answered with CUDA_ERROR_OUT_OF_MEMORY, because mediatord sees that there is no room, and a later one finds some. A third must try
    without knowing, because mediatord is stopped: what the driver makes of that, and of more tries with room, the result tells."""
    deadline, scarce = Deadline(SECONDS), Scarce(host, "full")
    size = REHEARSAL_TENANT_MIB if host.rehearsal else MIB
    result = {"free_mib": {}}
    with host_of(host, "off", shared=scarce.shared) as own:
        tenants = [Tenant(own, size, "2GiB", deadline) for _ in range(3)]
        told, blind, ending = tenants
        mediatord = next(process for name, process in own.processes if name == "mediatord")
        try:
            for tenant in tenants:
                tenant.await_line("holds")
            if park(own, 3, deadline)[0] is None:
                raise RuntimeError("they are not parked with context")
            scarce.take_all_but(LEFT_MIB, deadline)
            result["free_mib"]["full"] = scarce.free_mib()
            ending.ask("end", "ended")  # raises if a call fails
            mediatord.send_signal(signal.SIGSTOP)
            try:
                blind.say("try")
                settled(lambda: False, BLIND_SECONDS)
            finally:
                mediatord.send_signal(signal.SIGCONT)
            result["told"], result["blind"] = [told.ask_either()], [blind.either()]
            expect(f"no room for a context answers {result['told']}", result["told"] == ["2"])
            expect("who is told that there is no room stays parked", sum(channel["context_parked"] for channel in channels(own)) >= 1)
            scarce.give_back()
            settled(lambda: scarce.free_mib() > 2 * (CONTEXT_MIB + size), deadline.left(10))
            result["free_mib"]["later"] = scarce.free_mib()
            result["told"] += tries(told, Deadline(10, deadline))
            expect(f"with room a later call answers {result['told'][-1]}", result["told"][-1].startswith("touched"))
            if result["told"][-1].startswith("touched"):
                told.ask("check", "right")
            if result["blind"] == ["2"]:
                result["blind"] += tries(blind, Deadline(10, deadline))
        except Exception as error:
            expect(f"contexts without room: {error!r}", False)
        scarce.give_back()
        result["log"] = said(own, 80)
        result["restores"] = [line[line.find("msg="):][:300] for line in own.log().splitlines() if " at try " in line]
        blind.process.kill()  # it may have lost its contexts
        expect("who was told ends well", told.end() == 0)
        expect("a process ends what it has without room on the GPU", ending.end() == 0)
        print(f"full GPU: told {result.get('told')}, blind {result.get('blind')}, MiB free {result['free_mib']}")
        for line in result["restores"]:
            print("  restore:", line)
        return result


def crowd(host, expect):
    """One tenant too many for a GPU that others have filled: the idle ones' memory is not enough for it, so contexts make room, no more than needed.
    Then the others have their turns again, each of which needs room too."""
    deadline, scarce = Deadline(2 * SECONDS), Scarce(host, "crowd")
    size = REHEARSAL_TENANT_MIB if host.rehearsal else MIB
    with host_of(host, "off", context_after="24h", shared=scarce.shared) as own:
        result = {"tenants": TENANTS, "mib": size, "wake_ms": []}
        tenants = []
        try:
            for _ in range(TENANTS):
                tenants.append(Tenant(own, size, "3GiB", deadline))
                tenants[-1].await_line("holds")
            # with the tenants' memory less than one more needs, and with one context more
            scarce.take_all_but(LEFT_MIB, deadline)
            result["free_mib"] = scarce.free_mib()
            settled(lambda: all(channel["idle"] >= 2 for channel in channels(own)), deadline.left(10))
            tenants.append(Tenant(own, size, "3GiB", deadline))
            tenants[-1].await_line("holds")
            away = sum(channel["context_parked"] for channel in channels(own))
            result["away"] = away
            expect(f"the contexts of one or two tenants make room: of {away}", 1 <= away < TENANTS)
            for tenant in tenants:
                settled(lambda: False, deadline.left(1.5))  # the others are idle enough to make room
                result["wake_ms"].append(tenant.touch())
                tenant.ask("check", "right")
        except Exception as error:
            expect(f"one more than the GPU has room for: {error!r}", False)
        scarce.give_back()
        ended = [tenant.end() for tenant in tenants]
        expect(f"tenants end with {ended}", not any(ended))
        if result["wake_ms"]:
            print(f"{len(tenants)} tenants of {size} MiB where {TENANTS} have room: {result.get('away')} contexts left for the last,"
                  f" next calls {', '.join(f'{value:.1f}' for value in result['wake_ms'])} ms")
        result["log"] = said(own, 80)
        result["restores"] = [line[line.find("msg="):][:300] for line in own.log().splitlines() if " at try " in line]
        expect(f"no context finds too little room: {result['restores']}", not result["restores"])
        return result
