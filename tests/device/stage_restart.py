# SPDX-License-Identifier: Apache-2.0
"""Kills mediatord again and again while a program computes.

The long program adds up in device memory and compares what it gets in every round; at each kill a short one starts before
it and one after it. Good is when all of them end with the right result, when the long one kept its executor, and when
nothing is left at the end. Times are from the start of the next mediatord to its READY, in milliseconds.
"""
import json
import os
import subprocess
import time

from host import Host
from keeper import Keeper
from machine import WORK, payload

SECONDS = 120  # a program may take


class Service(Host):
    """A host whose mediatord may be killed."""

    def _start(self, name, command):
        if name != "mediatord":
            return super()._start(name, command)
        self.command, self.keeper = command, Keeper(f"{self.work}/notify")
        self.log_file = open(f"{self.work}/mediatord.log", "w")
        self.processes.append((name, self._launch()))

    def _launch(self):
        return self.keeper.start(self.command, stdout=self.log_file, stderr=self.log_file, stdin=subprocess.DEVNULL)

    def kill(self):
        process = self.processes[-1][1]
        process.kill()
        process.wait()

    def again(self):
        """Starts the next mediatord and returns how long it took to be ready, in milliseconds."""
        ready, started = self.keeper.count("READY=1"), time.monotonic()
        self.processes[-1] = ("mediatord", self._launch())
        self._await(lambda: self.keeper.count("READY=1") > ready, "mediatord")
        return round((time.monotonic() - started) * 1000, 1)


def steady(host, seconds):
    return subprocess.Popen(host.virtual([payload("tests/steady"), str(seconds)]), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def joined(socket, seconds):
    """One more process of the long program's session."""
    return subprocess.Popen([payload("tests/steady"), str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={**os.environ, "VGPU_SOCKET": socket, "LD_LIBRARY_PATH": payload("lib")})


def answer(process):
    try:
        said = process.communicate(timeout=SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[0] + "TOO LONG"
    return {"status": process.returncode, "said": said.splitlines(), "good": process.returncode == 0 and "correct after" in said}


def slots(host):
    return json.loads(host.vgpuctl("status", "--json").stdout)["slots"]


def runs(pid):
    """Whether a process has not ended; whoever is its parent by now may not reap it."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return ") Z " not in file.read()
    except OSError:
        return False


def stage(host, rounds=10):
    work = f"{WORK}-restart"
    with Service(host.gpus["default"], rehearsal=host.rehearsal, work=work, options=("--run-dir", f"{work}/run")) as service:
        long = steady(service, 600)
        first = long.stdout.readline()
        [slot] = slots(service)
        executor = slot["channels"][0]["executor_pid"]
        kills = []
        for number in range(rounds):
            early = joined(slot["socket_path"], 0.5)
            time.sleep(number * 0.05)
            service.kill()
            late = joined(slot["socket_path"], 0.5)
            time.sleep(0.2)
            waited = late.poll() is None
            ready = service.again()
            result = {"ready_ms": ready, "waited": waited, "late": answer(late), "early": answer(early)}
            deadline = time.monotonic() + 20
            while len(slots(service)[0]["channels"]) != 1 and time.monotonic() < deadline:
                time.sleep(0.1)
            pids = [channel["executor_pid"] for channel in slots(service)[0]["channels"]]
            result["good"] = waited and result["late"]["good"] and result["early"]["good"] and pids == [executor]
            print(f"kill {number}: {'good' if result['good'] else 'BAD'}, ready after {ready} ms", flush=True)
            kills.append(result)
        long.terminate()  # it ends with its result
        whole = answer(long)
        deadline = time.monotonic() + 20
        while (slots(service) or service.keeper.stored) and time.monotonic() < deadline:
            time.sleep(0.1)
        left = {"slots": len(slots(service)), "stored": len(service.keeper.stored), "executor": runs(executor)}
        good = first == "started\n" and whole["good"] and all(kill["good"] for kill in kills) and not any(left.values())
        return {"good": good, "kills": kills, "long": whole, "left": left, "log": "" if good else service.log()[-20000:]}
