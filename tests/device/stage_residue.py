# SPDX-License-Identifier: Apache-2.0
"""What a process finds in memory that another one, of another domain, has left behind: natively and virtually.

Each round fills device and pinned memory with canaries and ends; the next process, of another domain, looks at all it is
given. "others" are words that are neither zero nor canaries: they say whether the driver clears memory at all.
"""
import re

from host import run
from machine import payload

ROUNDS = 3


def words(result):
    return {kind: dict(zip(("words", "canaries", "others"), map(int, numbers)))
            for kind, *numbers in re.findall(r"search (\w+): words (\d+) canaries (\d+) others (\d+)", "\n".join(result["lines"]))}


def pair(line, size):
    filled = run(line([payload("tests/residue"), "fill", str(size)]), 120)
    searched = run(line([payload("tests/residue"), "search", str(size)]), 120)
    return {"status": [filled["status"], searched["status"]], "found": words(searched),
            "stderr": (filled["stderr"] + searched["stderr"])[-500:], "lines": filled["lines"] + searched["lines"]}


def stage(host):
    size = 128 if host.rehearsal else 4096
    rounds = []
    for _ in range(ROUNDS):
        rounds.append({"virtual": pair(host.virtual, size), "native": pair(host.native, size)})
        print("residue:", {side: record["found"] for side, record in rounds[-1].items()})
    good = all(record["virtual"]["status"] == [0, 0] and len(record["virtual"]["found"]) == 2 for record in rounds)
    return {"good": good, "mib": size, "rounds": rounds}
