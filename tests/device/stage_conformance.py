# SPDX-License-Identifier: Apache-2.0
"""The conformance suite natively and virtually: what the driver answers, the virtual GPU answers too.

Every check runs in a process of its own, so that one that dies or hangs says nothing about the others.
"""
import concurrent.futures
import subprocess

from host import run
from machine import payload

SECONDS = 40
LANES = 3  # virtual processes at once; native ones run one after the other, since checks look at the GPU's free memory


def names(host):
    command = host.native([payload("tests/conformance"), "--list"])
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return listed.stdout.split()


def answer(result):
    """The lines of a check, less the closing count."""
    lines = [line for line in result["lines"] if not line.startswith(("conformance: ", "info "))]
    if result["status"] == 124:
        lines.append("(took too long)")
    return lines


def compare(name, native, virtual):
    theirs, ours = answer(native), answer(virtual)
    record = {"good": native["status"] == 0 and theirs == ours, "native": theirs, "virtual": ours,
              "seconds": [native["seconds"], virtual["seconds"]]}
    if not record["good"]:
        record["stderr"] = [native["stderr"][-600:], virtual["stderr"][-600:]]
        print(f"{name}: BAD\n  native:  {' | '.join(theirs)}\n  virtual: {' | '.join(ours)}")
    return record


def stage(host):
    checks = names(host)
    program = payload("tests/conformance")
    with concurrent.futures.ThreadPoolExecutor(1) as lane, concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        native = [lane.submit(run, host.native([program, name]), SECONDS) for name in checks]
        virtual = [lanes.submit(run, host.virtual([program, name]), SECONDS) for name in checks]
        results = {name: compare(name, native[i].result(), virtual[i].result()) for i, name in enumerate(checks)}
    good = sum(record["good"] for record in results.values())
    print(f"conformance: {good} of {len(results)} checks give the same")
    return {"good": good == len(results) > 0, "same": good, "checks": results}
