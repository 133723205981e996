# SPDX-License-Identifier: Apache-2.0
"""The conformance suite natively and virtually: what the driver answers, the virtual GPU answers too.

Every check runs in a process of its own, so that one that dies or hangs says nothing about the others.
"""
import concurrent.futures
import subprocess

from host import run
from machine import payload

SECONDS = 40
# A copy to the host in a stream that stands still keeps the driver's other copies of pageable memory waiting, those that would let it go on too
# (measured, 580.159.04: it never comes back); virtually they go on. Natively these are given so many seconds, and need not end.
STUCK = ("copies_beside.held_small", "copies_beside.held_large")
STUCK_SECONDS = 5
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
    stuck = name in STUCK and native["status"] == 124 and virtual["status"] == 0
    record = {"good": stuck or native["status"] == 0 and theirs == ours, "native": theirs, "virtual": ours,
              "seconds": [native["seconds"], virtual["seconds"]]}
    if not record["good"]:
        record["stderr"] = [native["stderr"][-600:], virtual["stderr"][-600:]]
        print(f"{name}: BAD\n  native:  {' | '.join(theirs)}\n  virtual: {' | '.join(ours)}")
    return record


def stage(host):
    checks = names(host)
    program = payload("tests/conformance")
    with concurrent.futures.ThreadPoolExecutor(1) as lane, concurrent.futures.ThreadPoolExecutor(LANES) as lanes:
        native = [lane.submit(run, host.native([program, name]), STUCK_SECONDS if name in STUCK else SECONDS) for name in checks]
        virtual = [lanes.submit(run, host.virtual([program, name]), SECONDS) for name in checks]
        results = {}
        try:
            for i, name in enumerate(checks):
                results[name] = compare(name, native[i].result(), virtual[i].result())
        except KeyboardInterrupt:  # what is known by now is worth keeping
            for future in native + virtual:
                future.cancel()
            print(f"conformance: interrupted at {checks[len(results)]}")
    good = sum(record["good"] for record in results.values())
    print(f"conformance: {good} of {len(checks)} checks give the same")
    return {"good": good == len(checks) > 0, "same": good, "checks": results}
