# SPDX-License-Identifier: Apache-2.0
"""Where the time of a posted launch goes in an executor, in one process: on the machine's driver, or on one that does nothing."""
import re

from host import run
from machine import payload

LINE = re.compile(r"^BenchmarkLaunch/(\w+)\S*\s+\d+\s+(.*)$")
LAUNCHES = 200_000


def stage(host, launches=LAUNCHES):
    # of a crash only the thread that crashed: the others are the runtime's
    environment = {"GOTRACEBACK": "single"} | ({} if host.rehearsal else {"VGPU_BENCH_DRIVER": "libcuda.so.1"})
    command = [payload("tests/launchpath"), "-test.run", "^$", "-test.bench", "BenchmarkLaunch/", "-test.benchtime", f"{launches}x"]
    result = run(command, 240, environment, keep=4000)
    steps = {}
    for line in result["lines"]:
        if found := LINE.match(line):
            values = re.findall(r"([\d.]+) (ns/\S+)", found[2])
            steps[found[1]] = {unit: float(value) for value, unit in values}
    print(f"{'a posted launch, ns':24}{'median':>10}{'least':>10}")
    for step, of in steps.items():
        print(f"{step:24}{of['ns/launch']:10.1f}{of.get('ns/launch-least', '-'):>10}")
    good = result["status"] == 0 and "between_processors" in steps
    return {"good": good, "driver": environment.get("VGPU_BENCH_DRIVER", "empty"), "steps": steps, "run": None if good else result}
