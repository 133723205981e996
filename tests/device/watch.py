# SPDX-License-Identifier: Apache-2.0
"""Watches a process and its children in /proc: which driver libraries they map, which GPU device nodes they open."""
import glob
import os
import re
import threading

INTERVAL = 0.02
DRIVER_FILE = re.compile(r"lib(cuda|nvidia|nvcuvid)[^/]*\.so|/dev/nvidia")


def descendants(root):
    parents = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        parents[int(path.split("/")[2])] = int(text[text.rindex(")") + 2:].split()[1])
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += [child for child, parent in parents.items() if parent == pid]
    return found


def driver_files(pid):
    """Paths of driver libraries mapped, and device nodes open, of one process."""
    found = set()
    try:
        with open(f"/proc/{pid}/maps") as file:
            for line in file:
                fields = line.split(None, 5)
                if len(fields) == 6 and DRIVER_FILE.search(fields[5]):
                    found.add(fields[5].strip())
        for fd in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            if target.startswith("/dev/nvidia"):
                found.add(target)
    except OSError:
        pass
    return found


class Watcher:
    """start(pid) ... stop() gives {"looks": n, "files": [...], "foreign": [...]}; foreign lie outside `own`."""

    def __init__(self, own):
        self.own = os.path.realpath(own) + "/"
        self.files = set()
        self.looks = 0

    def start(self, pid):
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()
        # cudart is the program's own; what must not be there is the driver
        foreign = [path for path in sorted(self.files)
                   if not path.startswith(self.own) and not re.search(r"libcudart[^/]*\.so", path)]
        return {"looks": self.looks, "files": sorted(self.files), "foreign": foreign}

    def _look(self, root):
        while True:
            for pid in descendants(root):
                self.files |= driver_files(pid)
            self.looks += 1
            if self._ended.wait(INTERVAL):
                return
