# SPDX-License-Identifier: Apache-2.0
"""Pageable copies under other settings of the library, to choose its defaults: threads, sizes, kinds of stores."""
import os

from host import run
from machine import payload
from stage_bench import measure, medians

ROUNDS = 2

# VGPU_STAGE: KiB per piece, pieces under way, sizes in KiB from which and until which stores go around the cache to the
# device, and from which on the way back
SETTINGS = {
    "default": {},
    "5 threads": {"VGPU_COPY_THREADS": "5"},
    "cached": {"VGPU_STAGE": "1024,16,0,0,1024"},
    "around to 8 MiB": {"VGPU_STAGE": "1024,16,64,8192,1024"},
    "around from 1 MiB": {"VGPU_STAGE": "1024,16,1024,32768,1024"},
    "around always": {"VGPU_STAGE": "1024,16,64,4000000,64"},
}


def sysfs(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        return str(error)


def stage(host):
    environment = {"BENCH_DIVIDE": "50"} if host.rehearsal else {}
    rounds = {"native": [], **{name: [] for name in SETTINGS}}
    command = [payload("tests/bench"), "pageable"]
    for _ in range(1 if host.rehearsal else ROUNDS):
        rounds["native"].append(measure(host.native(command), environment))
        for name, setting in SETTINGS.items():
            rounds[name].append(measure(host.virtual(command), {**environment, **setting}))
    table = {name: medians(numbers) for name, numbers in rounds.items()}
    names = [name for name in table["native"] if name.endswith("GBps")]
    print(f"{'GB/s':20}" + "".join(f"{name.replace('_GBps', '').replace('pageable_', ''):>15}" for name in names))
    for setting, numbers in table.items():
        print(f"{setting:20}" + "".join(f"{numbers.get(name, 0):15.4g}" for name in names))
    kernel = {name: sysfs("/sys/kernel/mm/transparent_hugepage/" + name) for name in ("enabled", "shmem_enabled", "defrag")}
    caches = run(["sh", "-c", "lscpu | grep -i -E 'cache|model name|numa|^CPU\\(s\\)'"], 20)["lines"]
    print(kernel, *caches, sep="\n")
    return {"good": all(all(numbers) for numbers in rounds.values()), "settings": SETTINGS, "medians": table, "rounds": rounds,
            "kernel": kernel, "processor": caches, "load": os.getloadavg()}
