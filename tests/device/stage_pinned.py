# SPDX-License-Identifier: Apache-2.0
"""Copies of page-locked memory on the bare driver, by kind of memory and by how a copy is cut, to choose the executor's way."""
import json

from host import run
from machine import payload

MIB = 256


def stage(host, mib=MIB):
    result = run(host.native([payload("tests/pinned_ways"), str(mib)]), 240)
    if result["status"]:
        return {"good": False, "run": result}
    speeds = json.loads("\n".join(result["lines"]))
    ways = next(ways for ways in speeds.values() if ways)
    print(f"{mib} MiB, GB/s to and from the device")
    print(f"{'':20}" + "".join(f"{memory:>18}" for memory in speeds))
    for way in ways:
        cells = [f"{of[way]['h2d']:.2f} {of[way]['d2h']:.2f}" if of else "-" for of in speeds.values()]
        print(f"{way:20}" + "".join(f"{cell:>18}" for cell in cells))
    return {"good": True, "mib": mib, "speeds": speeds}
