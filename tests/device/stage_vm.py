# SPDX-License-Identifier: Apache-2.0
"""A VM under QEMU's TCG whose programs compute on the GPU: the slot is reserved by libvirt's hook program.

The VM brings the test programs along. Then it mounts this machine's root directory read-only (virtiofs) and runs this
machine's own programs from there: an unmodified llama.cpp and a PyTorch script, whose hashes must be those of native runs.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import time

import machine
import stage_llama
import stage_programs
from host import run
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
SECONDS = 400
IN_VM = "/tmp/vgpu-in-vm.sh"  # guestimage knows it by this name
LLAMA = {"shape": ("4", "1024", "2048", "16", "4", "8192"), "gpu_layers": 99, "prompt": 32, "new_tokens": 32, "threads": 2}
RESULT = re.compile(r"^@@ (\S+) exit=(\d+) ms=(\d+)$")
EXPECTED = {"spin": 137}


def hook(host, operation, sub_operation):
    environment = {**os.environ, "VGPU_BUS_ADDRESS": host.address}
    command = [payload("bin/vgpu-qemu-hook"), NAME, operation, sub_operation, "-"]
    result = subprocess.run(command, input=XML, capture_output=True, text=True, timeout=30, env=environment)
    if result.returncode != 0:
        raise RuntimeError(f"hook {operation}: {result.stderr}")


def llama_libraries():
    """llama.cpp's libraries with one of its backends for processors, the oldest: processors differ inside and outside."""
    directory = f"{WORK}/llama"
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for path in glob.glob(payload("llama/*.so")):
        if "ggml-cpu-" not in path or "ggml-cpu-x64" in path:
            os.symlink(path, os.path.join(directory, os.path.basename(path)))
    return directory


def programs(host, shape):
    """What runs natively here and then in the VM: command, environment, directories of libraries."""
    cuda = [] if host.rehearsal else machine.cuda_directories()
    common = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "VGPU_LOG": "1", "PYTHONUNBUFFERED": "1",
              "PROGRAM_DEVICE": "cpu" if host.rehearsal else "cuda"}
    model = stage_llama.model(shape["shape"], "model-vm.gguf")
    script = lambda name, *parts: [sys.executable, os.path.join(stage_programs.SCRIPTS, name), *parts]
    llama = [payload("tests/llama_run"), llama_libraries(), model,
             *(str(shape[name]) for name in ("gpu_layers", "prompt", "new_tokens", "threads"))]
    torch = script("in_vm.py", *(["pinned"] if host.rehearsal else []))
    found = {"fork": (script("fork_then_use.py"), common, []), "llama": (llama, common, cuda), "torch": (torch, common, [])}
    if os.path.exists(payload("ollama/bin/ollama")):
        found["ollama"] = (script("ollama_serve.py", *(["tiny", "2"] if host.rehearsal else ["small", "16"])), common, [])
    return found


def natively(host, wanted):
    """Each program's native answer."""
    said = {}
    for name, (command, environment, libraries) in wanted.items():
        paths = [*libraries, os.environ.get("LD_LIBRARY_PATH", "")]
        result = run(host.native(command), 120, {**environment, "LD_LIBRARY_PATH": ":".join(filter(None, paths))})
        said[name] = result
        print(f"VM: {name} natively: status {result['status']} in {result['seconds']} s")
    return said


def write_script(wanted):
    """The script that the VM runs in this machine's root directory, with one of the programs as its argument."""
    quoted = lambda words: " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    lines = ["# written by stage_vm.py; runs in the VM", "export HOME=/run TMPDIR=/run", 'case "$1" in',
             "ready)", "    # the GPU's own driver, if this machine has it there, out of sight",
             "    [ ! -d /usr/local/nvidia ] || mount -t tmpfs none /usr/local/nvidia",
             "    ls -l /dev/vgpu0", "    ! touch /etc/written-by-the-vm 2>&1", "    ;;"]
    for name, (command, environment, libraries) in wanted.items():
        settings = [f"{key}={value}" for key, value in environment.items()]
        settings.append("LD_LIBRARY_PATH=" + ":".join([payload("lib"), *libraries]))
        lines += [f"{name})", f"    exec env {quoted(settings)} {quoted(command)}", "    ;;"]
    lines += ["*)", '    echo "not asked for"', "    ;;", "esac", ""]
    with open(IN_VM, "w") as file:
        file.write("\n".join(lines))


def share_root():
    """virtiofsd with this machine's root directory, read-only if mount namespaces may be made here."""
    socket, view = f"{WORK}/virtiofs.sock", f"{WORK}/root"
    os.makedirs(view, exist_ok=True)
    daemon = f"exec {payload('virtiofsd/run')} --socket-path={socket} -o source=$0 -o sandbox=chroot -o cache=always --thread-pool-size=8"
    read_only = f"mount --rbind / {view} && mount -o remount,bind,ro {view} && set -- {view}; "
    probe = ["unshare", "--mount", "--propagation", "private", "sh", "-c", read_only + "true"]
    if subprocess.run(probe, capture_output=True).returncode == 0:
        command = [*probe[:-1], f"mount --rbind / {view} && mount -o remount,bind,ro {view}; {daemon}", view]
    else:
        command = ["sh", "-c", daemon, "/"]
    log = open(f"{WORK}/virtiofsd.log", "w")
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not os.path.exists(socket) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, socket


def boot(console, share, memory="8192", processors="4"):
    qemu = payload("qemu")
    command = [
        qemu + "/run", "-L", qemu + "/firmware", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", "q35,accel=tcg,memory-backend=ram", "-cpu", "max", "-m", memory, "-smp", processors,
        "-object", f"memory-backend-memfd,id=ram,size={memory}M,share=on",  # virtiofsd reads and writes it
        "-kernel", payload("guest/vmlinuz"), "-initrd", payload("guest/initramfs"),
        "-append", "console=ttyS0 quiet panic=-1", "-serial", "file:" + console,
        "-chardev", "socket,id=vgpu,path=" + SOCKET,
        "-device", "ivshmem-doorbell,chardev=vgpu,ioeventfd=on,vectors=33",
        "-chardev", "socket,id=host,path=" + share, "-device", "vhost-user-fs-pci,chardev=host,tag=host,queue-size=1024",
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


def compare(native, output, steps):
    """What the programs said in the VM beside what they said natively; good when all is the same."""
    records = {}
    for name, result in native.items():
        inside = output.get(name, [])
        if name == "llama":
            pick = lambda lines: next((json.loads(line)["hash"] for line in lines if line.startswith("{")), None)
            theirs, ours = pick(result["lines"]), pick(inside)
        else:
            said = [stage_programs.parse({"lines": lines}) for lines in (result["lines"], inside)]
            theirs, ours = ({**one["hashes"], **one["values"]} for one in said)
        same = theirs == ours and bool(theirs)
        records[name] = {"same": same, "native": theirs, "vm": ours, "ms": steps.get(name, {}).get("ms"), "lines": inside,
                         "native_lines": result["lines"], "native_status": result["status"]}
        print(f"VM: {name}: {'same' if same else 'BAD'} after {records[name]['ms']} ms", theirs if name == "llama" else f"{len(theirs)} answers")
        if not same:
            print("    native:", result["status"], result["lines"][-6:], result["stderr"][-800:], "\n    vm:", "\n    ".join(inside[-12:]))
    return records


def whole_life(host, console, share):
    """From the hook's prepare to its release; what QEMU said."""
    hook(host, "prepare", "begin")
    try:
        qemu = boot(console, share, *(["3072", "2"] if host.rehearsal else []))
        hook(host, "started", "begin")
        try:
            said, _ = qemu.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            qemu.kill()
            said, _ = qemu.communicate()
        hook(host, "stopped", "end")
    finally:
        hook(host, "release", "end")
    return said


def stage(host, names=None, llama=LLAMA):
    console = f"{WORK}/console"
    start = time.monotonic()
    wanted = {name: one for name, one in programs(host, llama).items() if not names or name in names}
    native = natively(host, wanted)
    write_script(wanted)
    sharing, share = share_root()
    try:
        said = whole_life(host, console, share)
    finally:
        sharing.terminate()
        sharing.wait(10)
    seconds = time.monotonic() - start
    steps, output, lines = read(console)
    good = "@@ end" in lines and all(step["exit"] == EXPECTED.get(name, 0) for name, step in steps.items())
    records = compare(native, output, steps)
    good = good and all(record["same"] for record in records.values())
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
            "host_programs": records,
            "bench": "\n".join(output.get("bench", [])), "driverapi": output.get("driverapi", [])}
