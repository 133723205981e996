# SPDX-License-Identifier: Apache-2.0
"""Loading a fatbin of 100 MB in fresh processes, the first time and again."""
import json
import os
import statistics
import struct

import machine
from host import run
from machine import payload

SIZE = 100_000_000
ROUNDS = 5
HEADER = struct.Struct("<IHHQ")  # magic, version, header size, payload size
MAGIC = 0xBA55ED50
ENTRY_PTX, ENTRY_CUBIN = 1, 2


def section(file, wanted):
    """Offset and size of an ELF file's section."""
    file.seek(0)
    header = file.read(64)
    at, = struct.unpack_from("<Q", header, 40)
    size, count, names = struct.unpack_from("<HHH", header, 58)
    file.seek(at)
    table = file.read(size * count)
    sections = [struct.unpack_from("<IIQQQQ", table, i * size) for i in range(count)]
    file.seek(sections[names][4])
    strings = file.read(sections[names][5])
    for name, _, _, _, offset, length in sections:
        if strings[name:strings.index(b"\0", name)] == wanted:
            return offset, length
    raise RuntimeError(f"no section {wanted}")


def library_fatbins(path):
    """The entries of each fatbin in a CUDA library, as they lie there: code of all architectures, compressed."""
    with open(path, "rb") as file:
        at, length = section(file, b".nv_fatbin")
        end = at + length
        while at + HEADER.size < end:
            file.seek(at)
            magic, _, header, size = HEADER.unpack(file.read(HEADER.size))
            if magic != MAGIC:
                at += 8
                continue
            file.seek(at + header)
            yield file.read(size)
            at = (at + header + size + 7) & ~7


def entry(kind, arch, payload):
    """An entry of code that is not compressed."""
    payload += bytes(-len(payload) % 8)
    return struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 64, len(payload), 0, 0, 0, 7, arch, 0, 0, 0x11, 0, 0) + payload


def rehearsal_fatbins():
    yield entry(ENTRY_PTX, 70, machine_ptx())
    while True:
        yield entry(ENTRY_CUBIN, 35, os.urandom(1 << 20))


def machine_ptx():
    with open(os.path.join(os.path.dirname(__file__), "../programs/kernels.ptx"), "rb") as file:
        return file.read() + b"\0"


def write_fatbin(path, fatbins, size):
    """Entries of several fatbins in one; a driver takes the first that fits."""
    parts, total = [], 0
    for part in fatbins:
        parts.append(part)
        total += len(part)
        if total >= size:
            break
    with open(path, "wb") as file:
        file.write(HEADER.pack(MAGIC, 1, HEADER.size, total))
        file.writelines(parts)
    return total


def freshen(path):
    """Gives the file another hash: no host has seen it before."""
    unknown = entry(ENTRY_CUBIN, 20, os.urandom(64))
    with open(path, "r+b") as file:
        magic, version, header, size = HEADER.unpack(file.read(HEADER.size))
        file.seek(0)
        file.write(HEADER.pack(magic, version, header, size + len(unknown)))
        file.seek(0, os.SEEK_END)
        file.write(unknown)


def measure(command):
    result = run(command, 120)
    if result["status"] != 0:
        print("bench_module ended with", result["status"], result["stderr"][-500:])
        return None
    return json.loads("\n".join(result["lines"]))


def loadable(host, fatbins):
    """Fatbins from the first on that the bare driver loads alone: some need a linker."""
    path = f"{machine.WORK}/probe.fatbin"
    for number, part in enumerate(fatbins):
        write_fatbin(path, [part], 1)
        if number > 20 or measure(host.native([payload("tests/bench_module"), path])):
            yield part
            break
    yield from fatbins


def source(host):
    if host.rehearsal:
        return rehearsal_fatbins()
    for directory in machine.cuda_directories():
        path = f"{directory}/libcublasLt.so.13"
        if os.path.exists(path):
            return loadable(host, library_fatbins(path))
    raise RuntimeError("no libcublasLt.so.13")


def stage(host, size=SIZE, rounds=ROUNDS):
    path = f"{machine.WORK}/large.fatbin"
    total = write_fatbin(path, source(host), size)
    command = [payload("tests/bench_module"), path]
    runs = {"native": {"first": [], "second": []}, "virtual": {"first": [], "second": []}}
    for _ in range(rounds):
        freshen(path)
        for side, line in (("native", host.native(command)), ("virtual", host.virtual(command))):
            for time in ("first", "second"):
                runs[side][time].append(measure(line))
    every = [numbers for sides in runs.values() for numbers in sides.values()]
    good = all(all(numbers) for numbers in every)
    print(f"fatbin of {total} bytes")
    for side, times in runs.items():
        for time, numbers in times.items():
            values = [n["load_ms"] for n in numbers if n]
            print(f"{side:10}{time:10}{statistics.median(values) if values else 0:10.4g} ms")
    os.remove(path)
    return {"good": good, "bytes": total, "runs": runs}
