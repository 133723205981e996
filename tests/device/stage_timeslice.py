# SPDX-License-Identifier: Apache-2.0
"""What a process may ask of its own channel groups, and whether it changes who has the GPU: no vGPU, two processes on the bare driver.

    run.py timeslice                       every case, in less than a minute
    run.py timeslice=usual,slice_200       some of CASES

A step of 20 kernels of 50 us every 3 ms beside a hog whose kernels take 5 ms. Each case is what the two ask for (timeslice.c) before
they go to work. A slice that counts shows in how long the step takes, or in who gets how much of the GPU where two hogs share it;
a status of 0 alone shows nothing: GET_TIMESLICE is answered from what was set, not from the hardware.
"""
import concurrent.futures
import dataclasses
import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

from machine import payload
from tenants import Tenant, latency, quantile

STEP = (20, 50, 3000)  # kernels, microseconds each, microseconds from step to step
HOG_US = 5000
HOG_DEPTH = 3
SECONDS = 1.1
WARM_UP_US = 150_000
MOST_SECONDS = 12  # of a case beyond its run
ENOUGH_SECONDS = 46  # cases that do not begin by then are left out
STATUSES = {0x1b: "no permission", 0x1f: "invalid argument", 0x33: "invalid handle", 0x40: "invalid state", 0x56: "not supported",
            0x57: "object not found", 0x65: "timeout"}
OTHER_USER = "nobody"


@dataclasses.dataclass
class Case:
    """What each of two processes asks of its channel groups."""

    hog: str = ""
    step: str = ""  # None: a hog takes its place
    allocated: str = ""  # what the hog asks as soon as a group is allocated
    alone: str = ""  # "step" or "hog": without the other
    user: str = ""  # "" this one

    @property
    def told(self):
        """The step's process tells the hog's when it begins and ends."""
        return "yield=" in self.hog


# in the order of what they tell, as time may run out
CASES = {
    "alone": Case(alone="step"),
    "hog_alone": Case(alone="hog"),
    "usual": Case(),
    "slice_200": Case(hog="slice=200"),
    "slice_200_allocated": Case(allocated="slice=200"),
    "slice_200_rescheduled": Case(hog="slice=200 reschedule"),
    "slices_200_10000": Case(hog="slice=200", step="slice=10000"),
    "slice_20000": Case(hog="slice=20000"),  # if slices count, the step waits for longer
    "other_user": Case(hog="slice=200 preempt interleave=0", step="slice=10000 interleave=2", user=OTHER_USER),
    "step_10000": Case(step="slice=10000"),
    "slice_500": Case(hog="slice=500"),
    "slice_1000": Case(hog="slice=1000"),
    "two_hogs": Case(step=None),
    "two_hogs_500_8000": Case(hog="slice=500", step=None),  # the other's is 8000
    "interleave": Case(hog="interleave=0", step="interleave=2"),
    "preempt_every_300": Case(hog="preempt_every=300"),
    "yield_preempt": Case(hog="yield=preempt"),
    "yield_disable": Case(hog="yield=disable"),
    "yield_unschedule": Case(hog="yield=unschedule"),
    "other_user_yield_preempt": Case(hog="yield=preempt", user=OTHER_USER),
    "other_user_yield_disable": Case(hog="yield=disable", user=OTHER_USER),
}
SECOND_HOG = "slice=8000"


class Run:
    """Cases one after another, in a directory that another user can read and write."""

    def __init__(self, host, seconds, step, hog_us):
        self.host, self.seconds, self.shape, self.hog_us = host, seconds, step, hog_us
        self.directory = tempfile.mkdtemp(prefix="vgpu-timeslice-")
        os.chmod(self.directory, 0o777)  # another user's process logs here
        for name in ("sharing", "timeslice.so"):
            shutil.copy(payload("tests", name), self.directory)
            os.chmod(os.path.join(self.directory, name), 0o755)
        self.rate = None

    def __enter__(self):
        line = subprocess.run(self.host.native([os.path.join(self.directory, "sharing"), "calibrate"]), capture_output=True, text=True, timeout=60, check=True)
        self.rate = json.loads(line.stdout)["rate"]
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.directory, ignore_errors=True)

    def tenant(self, role, log, user, allocated="", end=None):
        shape = {"step": ("step", self.rate, *self.shape, self.seconds), "hog": ("hog", self.rate, self.hog_us, HOG_DEPTH, self.seconds)}[role]
        variables = {"LD_PRELOAD": os.path.join(self.directory, "timeslice.so"), "VGPU_TIMESLICE_LOG": log,
                     "CUDA_CACHE_PATH": os.path.join(self.directory, "cache" + user)}
        if allocated:
            variables["VGPU_TIMESLICE_ALLOCATED"] = allocated
        options = {}
        if end is not None:
            variables["VGPU_TIMESLICE_SOCKET"] = str(end)
            options["pass_fds"] = (end,)
        if user:
            entry = pwd.getpwnam(user)
            options |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        words = [f"{name}={value}" for name, value in variables.items()]
        limit = ["timeout", "-k", "1", str(int(self.seconds) + MOST_SECONDS)]  # of a process that the driver keeps from getting ready, too
        return Tenant(self.host.native([*limit, "env", *words, os.path.join(self.directory, "sharing"), *map(str, shape)]), **options)

    def logs(self, name):
        return {role: os.path.join(self.directory, f"{name}.{role}") for role in ("hog", "step")}

    def answers(self, name):
        """What each was told, as far as it got."""
        return {role: read_lines(log) for role, log in self.logs(name).items() if os.path.exists(log)}

    def case(self, name, case):
        ends = [end.detach() for end in socket.socketpair()] if case.told else [None, None]
        logs = self.logs(name)
        roles = [case.alone] if case.alone else ["hog", "step"]
        asks = {"hog": case.hog, "step": case.step if case.step is not None else SECOND_HOG if case.hog else ""}
        tenants = {}
        try:
            def begin(role):
                kind = "hog" if role == "step" and case.step is None else role
                return self.tenant(kind, logs[role], case.user, case.allocated if role == "hog" else "", ends[0 if role == "hog" else 1])

            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                begun = {role: pool.submit(begin, role) for role in roles}
                for role, future in begun.items():
                    if not future.exception():
                        tenants[role] = future.result()
            for end in ends:
                if end is not None:
                    os.close(end)  # so that the hog's end says when the step's process is gone
            for future in begun.values():
                future.result()
            for role in roles:
                tenants[role].start(asks[role])
            results = {role: tenant.result(self.seconds + MOST_SECONDS) for role, tenant in tenants.items()}
        finally:
            for tenant in tenants.values():
                tenant.end()
        found = {}
        for role, result in results.items():
            if "latencies_us" in result:
                steps = [value for at, value in zip(result["begins_us"], result["latencies_us"]) if at >= WARM_UP_US]
                found["step"] = {**latency(result, WARM_UP_US), "p90_us": quantile(steps, 0.9)}
            else:
                found[role if "step" != role else "second_hog"] = {"rate": result["work_us"] / result["seconds"] / 1e6, **result}
        return found


def read_lines(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def status_name(line):
    if line.get("result"):
        return f"errno {line['errno']}"
    return "ok" if not line["status"] else f"{line['status']:#x} {STATUSES.get(line['status'], '')}".strip()


def summary(answers):
    """What was asked, and how many answers of which kind there were; and what libcuda itself sets."""
    parts = []
    for role, lines in answers.items():
        started = next((line for line in lines if line["when"] == "started" and "groups" in line), None)
        if started is None or not started["groups"]:
            parts.append(f"{role}: no channel group was seen")
            continue
        kinds = {}
        for line in lines:
            if line["when"] == "repeated":
                parts.append(f"{role}: {line['request']} {line['asked']} times, {line['failed']} failed"
                             + (f" ({status_name(line)})" if line["failed"] else "") + f", median {line['median_us']:.0f} us, p99 {line['p99_us']:.0f}")
            elif "result" in line and line["request"] != "get_slice":
                key = (line["when"], f"{line['request']}={line['value']}", status_name(line))
                kinds[key] = kinds.get(key, 0) + 1
        parts += [f"{role}: {request} when {when}: {count} {status}" for (when, request, status), count in kinds.items()]
    return "; ".join(parts)


def of_the_program(found):
    """The controls of channel groups that libcuda uses itself, and what slices it sets; what the kernel module has for a slice at first, then and at the end."""
    own, had = {}, {}
    for one in found.values():
        for lines in one.get("answers", {}).values():
            for line in lines:
                if line["when"] == "of the program":
                    key = f"{line['request']} value {line['value']} engine {line['engine']} status {line['status']:#x}"
                    own[key] = own.get(key, 0) + 1
                elif line.get("request") == "get_slice":
                    key = f"{line['when']} engine {line['engine']}: {line['value']} us {status_name(line)}"
                    had[key] = had.get(key, 0) + 1
    return {"controls": own, "get_slice": had}


def row(name, one, alone, hog_alone):
    if "error" in one:
        return f"{name:26}FAILED: {one['error'].strip().splitlines()[-1][:200]}  {summary(one['answers'])}"
    cells = f"{name:26}"
    step = one.get("step")
    cells += f"{step['p50_us'] / 1000:8.2f}{step['p99_us'] / 1000:8.2f}{step['p50_us'] / alone if alone else float('nan'):8.2f}" if step else " " * 24
    for role in ("hog", "second_hog"):
        cells += f"{one[role]['rate'] / hog_alone:9.2f}" if role in one and hog_alone else " " * 9
    return cells + "  " + summary(one["answers"])


def verdict(found):
    """Which cases changed something: None where what it takes to say so is missing."""
    def median(name):
        return found.get(name, {}).get("step", {}).get("p50_us")

    alone, usual = median("alone"), median("usual")
    result = {}
    if alone and usual:
        for name, case in CASES.items():
            if median(name) and name not in ("alone", "usual"):
                # 0: as if nothing had been asked; 1: as if there was no hog; below 0: waits for longer
                result[name] = round((usual - median(name)) / (usual - alone), 3) if usual > alone * 1.1 else None
    ratios = {}
    for name in ("two_hogs", "two_hogs_500_8000"):
        one = found.get(name, {})
        if "hog" in one and "second_hog" in one and one["second_hog"]["rate"]:
            ratios[name] = round(one["hog"]["rate"] / one["second_hog"]["rate"], 3)
    return {"part_of_the_wait_that_is_gone": result, "first_hog_to_second": ratios}


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)


def facts():
    """Read only: who we are, whose the nodes are, what the GPU's policy is, what the kernel module says."""
    with open("/proc/self/status") as file:
        capabilities = next(line.split()[1] for line in file if line.startswith("CapEff"))
    version = ""
    if os.path.exists("/proc/driver/nvidia/version"):
        with open("/proc/driver/nvidia/version") as file:
            version = file.read()
    return {"capabilities": capabilities, "may_nice": bool(int(capabilities, 16) >> 23 & 1), "uid": os.getuid(), "driver": version,
            "nodes": output("sh", "-c", "ls -l /dev/nvidia*"), "policy": output("nvidia-smi", "compute-policy", "--list")}


def stage(host, names=tuple(CASES), seconds=SECONDS, step=STEP, hog_us=HOG_US):
    for name in names:
        if name not in CASES:
            raise ValueError(f"no case {name}: there are {', '.join(CASES)}")
    begin = time.monotonic()
    about, found, left_out = facts(), {}, []
    if host.rehearsal:
        print("timeslice does not apply to the GPU in software: channel groups are the driver's. The cases below show that the stage works, and see no group")
    print(f"{'case':26}{'p50 ms':>8}{'p99 ms':>8}{'p50 x':>8}{'hog x':>9}{'2nd hog':>9}  answers", flush=True)
    with Run(host, seconds, step, hog_us) as run:
        for name in names:
            case = CASES[name]
            if time.monotonic() - begin > ENOUGH_SECONDS or (case.user and (os.getuid() or host.rehearsal)):
                left_out.append(name)
                continue
            found[name] = {"asked": dataclasses.asdict(case)}
            try:
                found[name] |= run.case(name, case)
            except Exception as error:  # one case's end must not keep the others from running
                found[name]["error"] = f"{type(error).__name__}: {error}"
            found[name]["answers"] = run.answers(name)
            alone = found.get("alone", {}).get("step", {}).get("p50_us")
            print(row(name, found[name], alone, found.get("hog_alone", {}).get("hog", {}).get("rate")), flush=True)
    own = of_the_program(found)
    seen = any(line.get("groups") for one in found.values() for lines in one.get("answers", {}).values() for line in lines)
    result = {"facts": about, "cases": found, "left_out": left_out, "of_the_program": own, "verdict": verdict(found) if seen else None, "seconds": time.monotonic() - begin,
              "kernel_log": [line for line in output("dmesg").splitlines() if "NVRM" in line][-20:]}
    print("of libcuda itself:", json.dumps(own))
    print("verdict:", json.dumps(result["verdict"]))
    if left_out:
        print("not run, for want of time or of rights:", ", ".join(left_out))
    for line in result["kernel_log"]:
        print("kernel:", line)
    result["applies"] = not host.rehearsal
    # what the driver refuses is an answer; that nobody was seen asking is none
    result["good"] = all("error" not in found.get(name, {}) for name in ("alone", "hog_alone", "usual")) and (seen or host.rehearsal)
    return result
