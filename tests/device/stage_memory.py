# SPDX-License-Identifier: Apache-2.0
"""Reading of much device memory on the bare driver, by how it came about and where it lies, to choose the library's way."""
import json
import statistics

from host import run
from machine import payload

MIB = 4096


def stage(host, mib=MIB):
    result = run(host.native([payload("tests/memory_ways"), str(mib)]), 240)
    if result["status"]:
        return {"good": False, "run": result}
    speeds = json.loads("\n".join(result["lines"]))
    for reading, ways in speeds.items():
        print(reading)
        for way, of in ways.items():
            print(f"  {way:28} {statistics.median(of):8.1f} GB/s ({min(of):.1f} to {max(of):.1f})")
    return {"good": True, "mib": mib, "speeds": speeds, "said": result["stderr"]}
