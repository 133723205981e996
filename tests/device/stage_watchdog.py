# SPDX-License-Identifier: Apache-2.0
"""A kernel that does not end, under a pool's kernel_limit, beside a neighbour; and GPU time beside what NVML samples.

Good is: the process is told 702 within a few times the limit, its executor and its memory are gone, the neighbour's results
stay right; a program of short kernels that lasts longer than the limit is spared; and what the scheduler charges two programs
differs little from the share that the driver samples (nvidia-smi pmon; not on the software GPU, which nobody samples).
"""
import json
import re
import subprocess
import time

from host import Host
from machine import WORK, payload

LIMIT = 5  # seconds


def begin(host, *command):
    return subprocess.Popen(host.virtual([payload(command[0]), *command[1:]]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process, seconds):
    try:
        out, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        return None, out
    return process.returncode, out


def slots(host):
    return json.loads(host.vgpuctl("status", "--json").stdout)["slots"]


def used_mib(host):
    """Memory in use on the GPU by everybody; None where nobody tells."""
    if host.rehearsal:
        return None
    said = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", host.gpus["default"]],
                          capture_output=True, text=True, timeout=30)
    return int(said.stdout.strip()) if said.returncode == 0 else None


def settled(condition, seconds):
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return holds


def endless(host, expect):
    neighbour = begin(host, "tests/steady", str(6 * LIMIT))
    settled(lambda: any(s["channels"] for s in slots(host)), 60)
    before = used_mib(host)
    start = time.monotonic()
    code, said = end(begin(host, "tests/spin", "3600", "3600000", "256"), 20 * LIMIT + 60)
    took = time.monotonic() - start
    expect("the process ends with 702", code not in (0, None) and "result 702" in said)
    expect("not before the limit", took >= LIMIT)
    expect("its slot is gone", settled(lambda: len(slots(host)) == 1, 30))
    back = before is None or settled(lambda: used_mib(host) < before + 128, 30)
    expect("its memory is back", back)
    code, neighbours = end(neighbour, 120)
    expect("the neighbour computes on, correctly", code == 0 and "correct after" in neighbours)
    events = [json.loads(line) for line in host.vgpuctl("events", "--format", "json").stdout.splitlines()]
    expect("one event tells of it", [e["kind"] for e in events].count("watchdog-fired") == 1)
    verified = re.findall(r'msg="([^"]*executor that was ended[^"]*)"', host.log())
    return {"seconds": round(took, 2), "said": said[-300:], "verified": verified}


def spared(host, expect):
    code, said = end(begin(host, "tests/spin", str(2 * LIMIT), "200"), 120)
    expect("short kernels are spared", code == 0 and "finished" in said)
    return said[-200:]


def sampled(host, seconds):
    """Percent of the multiprocessors' time by process of the host, each second, as the driver samples it."""
    said = subprocess.run(["nvidia-smi", "pmon", "-s", "u", "-d", "1", "-c", str(seconds), "-i", host.gpus["default"]],
                          capture_output=True, text=True, timeout=seconds + 60)
    samples = {}
    for line in said.stdout.splitlines():
        words = line.split()
        if len(words) > 3 and words[0].isdigit() and words[1].isdigit():
            samples.setdefault(int(words[1]), []).append(0 if words[3] == "-" else int(words[3]))
    return samples


def accounting(host, expect):
    """Two programs that keep the GPU busy: their charged shares, and what the driver sampled of their executors meanwhile."""
    programs = [begin(host, "tests/spin", "10" if host.rehearsal else "30", "2") for _ in range(2)]

    def charged():
        return {c["executor_pid"]: c["statistics"]["GPUTime"] / 1e9 for s in slots(host) for c in s["channels"] if c["executor_pid"]}

    settled(lambda: sum(used > 0 for used in charged().values()) == 2, 60)
    time.sleep(1)

    before, start = charged(), time.monotonic()
    samples = {} if host.rehearsal else sampled(host, 10)
    if host.rehearsal:
        time.sleep(2)
    after, seconds = charged(), time.monotonic() - start
    for program in programs:
        end(program, 90)
    ours = {pid: (after[pid] - before[pid]) / seconds for pid in before if pid in after}
    expect("two executors are charged", len(ours) == 2 and all(share > (0.01 if host.rehearsal else 0.2) for share in ours.values()))
    expect("together no more than the GPU", sum(ours.values()) < 1.05)
    nvml = {pid: sum(samples[pid]) / len(samples[pid]) / 100 for pid in ours if samples.get(pid)}
    # without the driver's numbers of processes (another PID namespace) there is nothing to compare
    for pid, share in nvml.items():
        expect(f"the driver sampled {share:.2f} where {ours[pid]:.2f} is charged", abs(share - ours[pid]) < 0.15)
    return {"seconds": seconds, "charged": ours, "sampled": nvml}


def stage(host):
    problems = []

    def expect(what, holds):
        if not holds:
            problems.append(what)
            print("  not so:", what)

    work = f"{WORK}-watchdog"
    with Host(host.gpus["default"], rehearsal=host.rehearsal, work=work, options=["--run-dir", f"{work}/run"],
              pool=f'kernel_limit = "{LIMIT}s"\n') as own:
        result = {"endless": endless(own, expect), "spared": spared(own, expect), "accounting": accounting(own, expect)}
        contexts = re.findall(r"contexts will not be counted[^\n]*", own.log())
    print("watchdog:", result)
    return {"good": not problems, "problems": problems, "limit_seconds": LIMIT, "contexts": contexts, **result}
