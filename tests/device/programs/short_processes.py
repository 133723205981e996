# SPDX-License-Identifier: Apache-2.0
"""Eight short processes one after the other, as a discovery of GPUs starts them: each initialises, asks what there is, makes a context and ends."""
import ctypes
import subprocess
import sys
import time

import tell
import driver

PROCESSES = 8


def child():
    device = driver.context()
    name = ctypes.create_string_buffer(100)
    major, minor, total, free = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t(), ctypes.c_size_t()
    version = ctypes.c_int()
    driver.must("cuDriverGetVersion", ctypes.byref(version))
    driver.must("cuDeviceGetName", name, 100, device)
    driver.must("cuDeviceGetAttribute", ctypes.byref(major), 75, device)
    driver.must("cuDeviceGetAttribute", ctypes.byref(minor), 76, device)
    driver.must("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    if not 0 < free.value <= total.value:
        raise RuntimeError(f"{free.value} of {total.value} bytes are free")
    print(name.value.decode(), major.value, minor.value, version.value)


def main():
    seconds, answers = [], set()
    for _ in range(PROCESSES):
        start = time.perf_counter()
        answers.add(subprocess.run([sys.executable, __file__, "child"], check=True, capture_output=True, text=True).stdout.strip())
        seconds.append(time.perf_counter() - start)
    tell.value("answers", "; ".join(sorted(answers)))
    tell.rate("processes_per_second", PROCESSES / sum(seconds))
    tell.info("seconds each", " ".join(f"{value:.3f}" for value in seconds))


if sys.argv[1:] == ["child"]:
    child()
else:
    tell.attempts([main])
