# SPDX-License-Identifier: Apache-2.0
"""What processes cost, from /proc."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def memory_mib(pid):
    """Resident memory by kind, in MiB: all, this process's alone, and its share of what several map."""
    found = {}
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                name, _, rest = line.partition(":")
                if name in ("Rss", "Pss", "Private_Clean", "Private_Dirty"):
                    found[name] = int(rest.split()[0]) / 1024
    except OSError:
        return {}
    if "Rss" not in found:
        return {}
    return {"resident": found["Rss"], "alone": found["Private_Clean"] + found["Private_Dirty"], "share": found["Pss"]}
