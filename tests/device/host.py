# SPDX-License-Identifier: Apache-2.0
"""A private bus and mediatord with one pool, and commands run natively or on a vGPU of it."""
import glob
import os
import shutil
import subprocess
import time

from machine import PAYLOAD, RUN, WORK, payload

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/> <allow receive_type="method_return"/>
    <allow receive_type="error"/> <allow receive_type="signal"/>
  </policy>
</busconfig>
"""

# Takes the GPU away from a command: no device nodes, no driver libraries.
HIDE = """
for node in /dev/nvidia*; do [ -c "$node" ] && mount --bind /dev/null "$node"; done
[ -d /usr/local/nvidia ] && mount -t tmpfs none /usr/local/nvidia
exec "$@"
"""


class Host:
    """with Host(gpu_uuid_or_soft) as host: host.virtual([...])

    A pool for each GPU: "default" has `gpu`, the first of `more` is "second", and so on.
    """

    def __init__(self, gpu, memory=None, rehearsal=False, more=(), work=WORK, pool=None, options=(), slots=8, prefix=()):
        names = ["default", "second", *(f"gpu{number}" for number in range(3, 2 + len(more)))]
        self.gpus = dict(zip(names, [gpu, *more]))
        self.pools = list(self.gpus)
        self.rehearsal = rehearsal  # there is no real driver: native() is virtual
        self.memory = memory
        self.work = work
        # more lines of the pool file
        self.pool = os.environ.get("VGPU_POOL", "").replace(";", "\n") + "\n" if pool is None else pool
        self.options = options  # of mediatord, after the usual ones
        self.prefix = list(prefix)  # a command that runs mediatord, and so its executors
        self.slots = slots
        self.address = f"unix:path={work}/bus"
        self.processes = []
        self.hides = False
        self.warm = int(os.environ.get("VGPU_WARM", "2"))

    def __enter__(self):
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_all(self):
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(f"{self.work}/pools")
        with open(f"{self.work}/bus.conf", "w") as file:
            file.write(BUS_CONFIG.format(socket=f"{self.work}/bus"))
        for pool, gpu in self.gpus.items():
            with open(f"{self.work}/pools/{pool}.toml", "w") as file:
                file.write(f'gpus = ["{gpu}"]\nslots = {self.slots}\novercommit = 4.0\nisolation = "none"\nwarm = {self.warm}\n')
                if self.memory:
                    file.write(f'memory = "{self.memory}"\n')
                file.write(self.pool)
        self._start("bus", [payload("dbus/run"), f"--config-file={self.work}/bus.conf", "--nofork", "--nosyslog"])
        self._await(lambda: os.path.exists(f"{self.work}/bus"), "bus")
        self._start("mediatord", [*self.prefix, payload("bin/mediatord"), "--bus", self.address, "--pools", f"{self.work}/pools",
                                  "--executor", payload("bin/vgpu-executor"), "--module-cache", f"{self.work}/modules", "--run-dir", RUN,
                                  "--log-level", "debug", *self.options])
        self._await(lambda: self.vgpuctl("status").returncode == 0, "mediatord")
        self.hides = self._try_hiding()

    def __exit__(self, *unused):
        for _, process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

    def log(self):
        with open(f"{self.work}/mediatord.log", errors="replace") as file:
            return file.read()

    def vgpuctl(self, *arguments):
        return subprocess.run([payload("bin/vgpuctl"), "--bus", self.address, *arguments],
                              capture_output=True, text=True, timeout=20)

    def virtual(self, command, pool=None, memory=None):
        """The command line that runs `command` on a vGPU, with the real driver out of its sight if possible."""
        hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE, "sh"] if self.hides else []
        terms = (["--pool", pool] if pool else []) + (["--memory", memory] if memory else [])
        return [payload("bin/vgpuctl"), "--bus", self.address, "run", "--lib-dir", payload("lib"), *terms, "--",
                *hidden, *command]

    def native(self, command):
        return self.virtual(command) if self.rehearsal else command

    def executors(self):
        """Process ids of the executors that serve somebody."""
        found = []
        for path in glob.glob("/proc/[0-9]*/exe"):
            try:
                with open(path.replace("/exe", "/comm")) as file:
                    warm = file.read().strip() == "vgpu-warm"
                if os.path.basename(os.readlink(path)).startswith("vgpu-executor") and not warm:
                    found.append(int(path.split("/")[2]))
            except OSError:
                pass
        return found

    def _start(self, name, command):
        log = open(f"{self.work}/{name}.log", "w")
        self.processes.append((name, subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)))

    def _await(self, condition, name, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return
            if self.processes[-1][1].poll() is not None:
                break
            time.sleep(0.05)
        with open(f"{self.work}/{name}.log", errors="replace") as file:
            raise RuntimeError(f"{name} did not start:\n{file.read()[-3000:]}")

    def _try_hiding(self):
        probe = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE, "sh", "true"]
        try:
            return subprocess.run(probe, capture_output=True, timeout=20).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False


def ends(text, keep):
    """Beginning and end of a text."""
    return text if len(text) <= 2 * keep else f"{text[:keep]}\n[{len(text) - 2 * keep} characters]\n{text[-keep:]}"


def run(command, seconds, environment=None, watcher=None, keep=2000):
    """Runs a command; a dict with exit status (124: took too long), output lines, the last `keep` characters of stderr
    (and as many of its beginning, where a crash says its cause), and seconds."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **(environment or {})}, cwd=PAYLOAD)
    if watcher:
        watcher.start(process.pid)
    try:
        out, err = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            out, err = process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        status = 124
    result = {"status": status, "lines": out.splitlines(), "stderr": ends(err, keep),
              "seconds": round(time.monotonic() - start, 3)}
    if watcher:
        result["watched"] = watcher.stop()
    return result
