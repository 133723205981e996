# SPDX-License-Identifier: Apache-2.0
"""The memory of a GPU in software that several processes share (mediatord/executor/soft/ledger), for rehearsals."""
import fcntl
import os
import struct

VARIABLE = "SOFT_GPU_LEDGER"
PATIENT, STUCK = 0, 1  # what comes of contexts that return without room
CONTEXT_MIB = 512
ENTRIES, WORD, FIRST = 64, 8, 16
GETLK, SETLK = 36, 37  # F_OFD_GETLK, F_OFD_SETLK
FLOCK = "@hhqqi"


def create(path, mib, manner=PATIENT):
    with open(path, "wb") as file:
        file.write(struct.pack("<QQ", mib << 20, manner) + bytes(ENTRIES * WORD))
    os.chmod(path, 0o666)


def _lock(file, entry, how):
    """Takes an entry, or says whether somebody has."""
    lock = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, FIRST + entry * WORD, WORD, 0)
    return struct.unpack(FLOCK, fcntl.fcntl(file, how, lock))[0] != fcntl.F_UNLCK


def free_mib(path):
    with open(path, "r+b") as file:
        words = struct.unpack(f"<{2 + ENTRIES}Q", file.read())
        used = sum(words[2 + entry] for entry in range(ENTRIES) if words[2 + entry] and _lock(file, entry, GETLK))
    return (words[0] - used) >> 20


class Filler:
    """Has that much memory until it is closed."""

    def __init__(self, path, mib):
        self.file = open(path, "r+b", buffering=0)
        entry = ENTRIES - 1  # executors take the first that is free
        _lock(self.file, entry, SETLK)
        os.pwrite(self.file.fileno(), struct.pack("<Q", mib << 20), FIRST + entry * WORD)

    def close(self):
        self.file.close()
