# SPDX-License-Identifier: Apache-2.0
"""The test programs natively and virtually: every check passes on both and both print the same."""
import os
import signal
import subprocess
import time

from host import run
from machine import payload
from watch import Watcher, descendants

PROGRAMS = {
    "driverapi": (["tests/driverapi"], 300),
    "fault": (["tests/driverapi", "fault"], 120),
    "runtimeapi-12": (["tests/runtimeapi", "--cudart=" + payload("cudart/libcudart.so.12")], 300),
    "runtimeapi-13": (["tests/runtimeapi", "--cudart=" + payload("cudart/libcudart.so.13")], 300),
    "vectors": (["tests/vectors"], 120),
}
ON_REQUEST = {"extra": (["tests/driverapi", "extra"], 120)}


def checks(result):
    return [line for line in result["lines"] if not line.startswith("info ")]


def compare(name, argv, seconds, host):
    command = [payload(argv[0]), *argv[1:]]
    virtual = run(host.virtual(command), seconds, watcher=Watcher(payload("lib")))
    native = run(host.native(command), seconds)
    theirs, ours = checks(native), checks(virtual)
    differences = [f"native: {line}" for line in theirs if line not in ours]
    differences += [f"virtual: {line}" for line in ours if line not in theirs]
    foreign = virtual["watched"]["foreign"]
    good = virtual["status"] == 0 and native["status"] == 0 and not differences and not foreign
    print(f"{name}: {'good' if good else 'BAD'}, virtual {virtual['status']} in {virtual['seconds']} s, "
          f"native {native['status']} in {native['seconds']} s")
    for line in differences or [line for line in ours if line.startswith("FAILED")]:
        print("   ", line)
    for side in (native, virtual):
        if side["status"] != 0 and side["stderr"]:
            print("    stderr:", side["stderr"][-500:])
    if foreign:
        print("    driver files in the guest process:", foreign)
    return {"good": good, "differences": differences, "virtual": virtual, "native": native}


def kill_test(host):
    """kill -9 of a process whose kernel runs for a minute: how long until its executor is gone."""
    before = set(host.executors())
    process = subprocess.Popen(host.virtual([payload("tests/spin"), "60"]), stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline().strip()
    executors = set(host.executors()) - before
    start = time.monotonic()
    os.kill(descendants(process.pid)[-1], signal.SIGKILL)
    while executors & set(host.executors()) and time.monotonic() - start < 30:
        time.sleep(0.005)
    gone = time.monotonic() - start
    process.wait(30)
    record = {"said": line, "executors": len(executors), "seconds_until_executor_gone": round(gone, 3),
              "good": line == "started" and len(executors) == 1 and gone < 5}
    print("kill -9:", "good" if record["good"] else "BAD", record)
    return record


def stage(host):
    results = {name: compare(name, argv, seconds, host) for name, (argv, seconds) in PROGRAMS.items()}
    results["kill"] = kill_test(host)
    for name, (argv, seconds) in ON_REQUEST.items():
        results[name] = compare(name, argv, seconds, host)
    good = all(record["good"] for name, record in results.items() if name not in ON_REQUEST)
    return {"good": good, "hidden": host.hides, "programs": results}
