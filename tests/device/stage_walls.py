# SPDX-License-Identifier: Apache-2.0
"""The test programs behind the executors' walls.

Three times the same programs: without walls; in a trial, in which nothing is refused and what the walls would refuse is
written down; and with all walls required, as an unprivileged user. Good is what answers the same each time, with nothing
refused in the trial that the driver was found to need. Executors of the last round must show every wall.
"""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess

from host import Host, run
from machine import WORK, payload
from stage_conformance import answer

SECONDS = 60
LANES = 4
EVERY = "user,capabilities,files,system-calls,memory"
ROUNDS = ("off", "trial", "required")


def programs(host):
    listed = subprocess.run(host.virtual([payload("tests/conformance"), "--list"]), capture_output=True, text=True, timeout=60)
    checks = {f"conformance {name}": [payload("tests/conformance"), name] for name in listed.stdout.split()}
    for version in (12, 13):
        library = payload(f"cudart/libcudart.so.{version}")
        if os.path.exists(library):
            checks[f"runtimeapi-{version}"] = [payload("tests/runtimeapi"), f"--cudart={library}"]
    return {"driverapi": [payload("tests/driverapi")], "fault": [payload("tests/driverapi"), "fault"],
            "vectors": [payload("tests/vectors")], **checks}


def walls_of(host):
    """What `vgpuctl status` says of the walls around a process that has a context."""
    process = subprocess.Popen(host.virtual([payload("tests/spin"), "1"]), stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    status = json.loads(host.vgpuctl("status", "--json").stdout)
    process.wait(60)
    return [channel["walls"] for slot in status["slots"] for channel in slot["channels"]]


def round_of(walls, gpu, rehearsal):
    work = f"{WORK}-walls-{walls}"
    os.makedirs(work, exist_ok=True)
    options = []
    executor = f"{work}-executor"  # where every user may run it
    shutil.copy(payload("bin/vgpu-executor"), executor)
    os.chmod(executor, 0o755)
    options += ["--executor", executor, "--run-dir", f"{work}/run"]
    if walls != "off":
        options += ["--executor-user", "nobody"]
    with Host(gpu, rehearsal=rehearsal, work=work, pool=f'walls = "{walls}"\n', options=options) as host:
        os.chmod(work, 0o755)
        commands = programs(host)
        with concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
            started = {name: lanes.submit(run, host.virtual(command), SECONDS) for name, command in commands.items()}
            results = {name: future.result() for name, future in started.items()}
        standing = walls_of(host)
        found = {}
        for path in glob.glob(f"{work}/modules/**/trial-*.txt", recursive=True):
            with open(path, errors="replace") as file:
                for line in file.read().splitlines():
                    if line == "file read openat /":  # the executor tries whether the wall stands
                        continue
                    found[line] = found.get(line, 0) + 1
        refused = [line for line in host.log().splitlines() if "vgpu-executor" in line and "fault" in line]
    return {"standing": standing, "found": found, "faults": refused[-50:],
            "answers": {name: answer(result) + [f"status {result['status']}"] for name, result in results.items()},
            "seconds": {name: result["seconds"] for name, result in results.items()},
            "stderr": {name: result["stderr"][-800:] for name, result in results.items() if result["status"] != 0}}


def kernel_lines():
    """What the kernel's log says of refused calls and files."""
    text = subprocess.run(["dmesg"], capture_output=True, text=True).stdout
    return [line for line in text.splitlines() if "audit" in line and ("-executor" in line or "landlock" in line)]


def refused_calls(lines):
    """System calls by number, and denied accesses to files, each with its count."""
    counts = {}
    for line in lines:
        what = " ".join(re.findall(r"(?:syscall|sig|blockers|path|dev|name)=\S+", line))
        counts[what] = counts.get(what, 0) + 1
    return counts


def stage(host):
    before = set(kernel_lines())
    rounds = {walls: round_of(walls, host.gpus["default"], host.rehearsal) for walls in ROUNDS}
    plain = rounds["off"]["answers"]
    different = {}
    for walls in ROUNDS[1:]:
        answers = rounds[walls]["answers"]
        different[walls] = {name: {"without": plain[name], "with": answers[name]} for name in plain if answers.get(name) != plain[name]}
        print(f"walls {walls}: {len(plain) - len(different[walls])} of {len(plain)} programs answer as without walls")
        for name, both in different[walls].items():
            print(f"  {name}:\n    without: {' | '.join(both['without'][-6:])}\n    with:    {' | '.join(both['with'][-6:])}")
            print("    stderr:", rounds[walls]["stderr"].get(name, "")[-300:])
    print("standing:", rounds["required"]["standing"])
    print("the trial found:")
    for line, count in sorted(rounds["trial"]["found"].items()):
        print(f"  {count} x {line}")
    kernel = refused_calls(line for line in kernel_lines() if line not in before)
    for line, count in kernel.items():
        print(f"  kernel: {count} x {line}")
    good = not any(different.values()) and rounds["required"]["standing"] == [EVERY]
    return {"good": good, "different": different, "rounds": rounds, "kernel": kernel}
