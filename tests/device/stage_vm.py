# SPDX-License-Identifier: Apache-2.0
"""A VM under QEMU's TCG whose programs compute on the GPU: the slot is reserved by libvirt's hook program."""
import os
import re
import subprocess
import time

from machine import OUT, RUN, WORK, payload

UUID = "7d2c1f6e-53c4-4d0e-9f0a-6f1d5a3b9c11"
NAME = "device-test"
SOCKET = f"{RUN}/domain-{UUID}/ivshmem.sock"
XML = f"""<domain type='qemu'>
  <name>{NAME}</name>
  <uuid>{UUID}</uuid>
  <metadata><vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="default" memory="2GiB"/></metadata>
  <devices>
    <shmem name='vgpu0'>
      <model type='ivshmem-doorbell'/>
      <server path='{SOCKET}'/>
      <msi vectors='33' ioeventfd='on'/>
    </shmem>
  </devices>
</domain>
"""
SECONDS = 480
RESULT = re.compile(r"^@@ (\S+) exit=(\d+) ms=(\d+)$")
EXPECTED = {"spin": 137}


def hook(host, operation, sub_operation):
    environment = {**os.environ, "VGPU_BUS_ADDRESS": host.address}
    command = [payload("bin/vgpu-qemu-hook"), NAME, operation, sub_operation, "-"]
    result = subprocess.run(command, input=XML, capture_output=True, text=True, timeout=30, env=environment)
    if result.returncode != 0:
        raise RuntimeError(f"hook {operation}: {result.stderr}")


def boot(console):
    qemu = payload("qemu")
    command = [
        qemu + "/run", "-L", qemu + "/firmware", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-smp", "2",
        "-kernel", payload("guest/vmlinuz"), "-initrd", payload("guest/initramfs"),
        "-append", "console=ttyS0 quiet panic=-1", "-serial", "file:" + console,
        "-chardev", "socket,id=vgpu,path=" + SOCKET,
        "-device", "ivshmem-doorbell,chardev=vgpu,ioeventfd=on,vectors=33",
    ]
    environment = {**os.environ, "QEMU_MODULE_DIR": qemu + "/modules"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def read(console):
    """Results and output of the guest's steps."""
    steps, output = {}, {}
    if not os.path.exists(console):
        return steps, output, []
    with open(console, errors="replace") as file:
        lines = [line.rstrip("\r\n") for line in file]
    for line in lines:
        match = RESULT.match(line)
        if match:
            steps[match[1]] = {"exit": int(match[2]), "ms": int(match[3])}
        elif "| " in line:
            name, text = line.split("| ", 1)
            output.setdefault(name, []).append(text)
    return steps, output, lines


def stage(host):
    console = f"{WORK}/console"
    start = time.monotonic()
    hook(host, "prepare", "begin")
    qemu = boot(console)
    hook(host, "started", "begin")
    try:
        said, _ = qemu.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        qemu.kill()
        said, _ = qemu.communicate()
    seconds = time.monotonic() - start
    hook(host, "stopped", "end")
    hook(host, "release", "end")
    steps, output, lines = read(console)
    good = "@@ end" in lines and all(step["exit"] == EXPECTED.get(name, 0) for name, step in steps.items())
    print(f"VM: {'good' if good else 'BAD'} after {seconds:.1f} s", {name: step["exit"] for name, step in steps.items()})
    for name, text in output.items():
        for line in text:
            if line.startswith("FAILED") or (name == "kernel" and "vgpu" in line):
                print("   ", name, line)
    if not good:
        print("    qemu:", said[-1000:], "\n    console:", "\n    ".join(lines[-15:]))
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, "console.txt"), "w") as file:
        file.write("\n".join(lines))
    return {"good": good, "seconds": round(seconds, 1), "steps": steps,
            "bench": "\n".join(output.get("bench", [])), "driverapi": output.get("driverapi", [])}
