# SPDX-License-Identifier: Apache-2.0
"""People's own programs, natively and virtually: the same hashes, and what each side took.

Each is a script of programs/ with the machine's own libraries; programs/tell.py says what they print. A hash that
differs is looked at once more: when a second native run differs from the first, the program is not deterministic by
itself, and that is recorded instead of a difference.
"""
import concurrent.futures
import dataclasses
import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import machine
from host import run
from machine import WORK, payload
from watch import Watcher

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
MISSING = 77
SIGNALLED = (*range(128 + 1, 128 + 32), *range(-31, 0))
BUDGET = 480  # seconds for all of them, both sides
BESIDE = 3    # programs at a time
REFUSED = re.compile(r"(cu\w+) is not carried by this virtual GPU")


@dataclasses.dataclass
class Program:
    name: str
    arguments: list
    seconds: int = 90
    environment: dict = dataclasses.field(default_factory=dict)
    memory: str = None       # quota of the vGPU; the pool's otherwise
    alone: bool = False      # what measures, or fills the GPU's memory, runs with nothing beside it
    rounds: int = 1          # native and virtual runs in alternation

    def command(self):
        return [sys.executable, os.path.join(SCRIPTS, self.arguments[0]), *self.arguments[1:]]


def program(name, *arguments, **options):
    return Program(name, list(arguments or (name + ".py",)), **options)


# by importance: what comes last is left out when time is over
PROGRAMS = [
    program("torch_gemm"),
    program("torch_conv"),
    program("generate_tiny", "generate.py", "tiny"),
    program("torch_compile", seconds=150),
    program("torch_graphs"),
    program("triton_kernels", seconds=120),
    program("cupy_arrays"),
    program("jax", "jax_jit.py", seconds=120, environment={"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
    program("numba_kernels"),
    program("torch_libraries"),
    program("cupy_libraries"),
    program("cupy_managed"),
    program("torch_loader"),
    program("torch_threads"),
    program("torch_copies"),
    program("processes", seconds=120),
    program("fork_then_use"),
    program("nvml_queries"),
    program("nccl_one_rank", "nccl_ranks.py", "0", "1"),
    program("cuda_bindings"),
    program("cuda_core"),
    program("generate_1b", "generate.py", "1b", "64", "5", seconds=120, alone=True, rounds=2),
    program("ollama", "ollama_serve.py", "1b", "128", "3", seconds=240, alone=True, rounds=2),
    program("compile_again", alone=True),
    program("torch_segments", alone=True),
    program("jax_preallocating", "jax_jit.py", seconds=120, memory="16GiB", alone=True),
    program("short_processes", alone=True),
]


def parse(result):
    """The output's lines by kind; what other lines there are belongs to libraries."""
    said = {"versions": {}, "hashes": {}, "values": {}, "rates": {}, "infos": [], "failed": {}, "missing": None}
    for line in result["lines"]:
        kind, _, rest = line.partition(" ")
        name, _, text = rest.partition(" ")
        if kind in ("version", "hash", "value", "failed"):
            said[{"version": "versions", "hash": "hashes", "value": "values", "failed": "failed"}[kind]][name] = text
        elif kind == "rate":
            said["rates"].setdefault(name, []).append(float(text))
        elif kind == "info":
            said["infos"].append(rest)
        elif kind == "missing":
            said["missing"] = name
    return said


def differences(native, virtual):
    """Names whose hash or value differs, or that one side alone printed."""
    found = []
    for kind in ("hashes", "values"):
        for name in dict.fromkeys([*native[kind], *virtual[kind]]):
            if native[kind].get(name) != virtual[kind].get(name):
                found.append(name)
    return found


def one_run(command, seconds, environment, watcher=None):
    result = run(command, seconds, environment, watcher, keep=200_000)
    return {**parse(result), "status": result["status"], "seconds": result["seconds"], "watched": result.get("watched", {}),
            "refused": sorted(set(REFUSED.findall(result["stderr"]))), "stderr": result["stderr"][-2500:]}


def environments(host, entry, sides):
    # the driver of the virtual side is not the one that ldconfig knows
    common = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", **entry.environment}
    virtual = {**common, "TRITON_LIBCUDA_PATH": payload("lib")}
    return {"native": virtual if host.rehearsal else common, "virtual": virtual}[sides]


def runs_of(host, entry):
    """Native and virtual runs in alternation; on a program that is missing only one."""
    runs = {"native": [], "virtual": []}
    for _ in range(entry.rounds):
        for side in ("native", "virtual"):
            command = host.native(entry.command()) if side == "native" else host.virtual(entry.command(), memory=entry.memory)
            watcher = Watcher(payload("lib")) if side == "virtual" and not runs["virtual"] else None
            runs[side].append(one_run(command, entry.seconds, environments(host, entry, side), watcher))
            if runs[side][-1]["status"] == MISSING:
                return runs
    return runs


def crash(host, entry):
    """One more virtual run of a program that dies, this time telling where."""
    environment = {**environments(host, entry, "virtual"), "PYTHONFAULTHANDLER": "1", "LD_PRELOAD": payload("tests/crash.so")}
    # not for the commands around it: the library may need a newer libc than they have
    names = [f"{name}={environment.pop(name)}" for name in ("LD_PRELOAD", "PYTHONFAULTHANDLER")]
    result = run(host.virtual(["env", *names, *entry.command()], memory=entry.memory), entry.seconds, environment, keep=20_000)
    return {**parse(result), "status": result["status"], "seconds": result["seconds"], "stderr": result["stderr"]}


def tail(text, lines=8):
    return "\n        ".join(text.strip().splitlines()[-lines:])


def speeds(runs):
    """For each rate the median and extremes over the rounds of a side, of each round's own median, and the ratio."""
    found = {}
    for name in (runs["virtual"] or runs["native"])[0]["rates"]:
        sides = {side: [statistics.median(one["rates"][name]) for one in runs[side] if name in one["rates"]] for side in runs}
        entry = {side: {"median": statistics.median(values), "least": min(values), "most": max(values), "rounds": len(values)}
                 for side, values in sides.items() if values}
        if len(entry) == 2:
            entry["ratio"] = round(entry["virtual"]["median"] / entry["native"]["median"], 4)
        found[name] = entry
    return found


def judge(host, entry, runs):
    """One record: same is True, False, or None when the native side differs from itself."""
    first = {side: values[0] for side, values in runs.items() if values}
    record = {"program": entry.name, "command": entry.arguments, "runs": runs}
    absent = next((one["missing"] for one in first.values() if one["missing"]), None)
    if absent or "virtual" not in first:
        return {**record, "missing": absent or "unknown", "same": None, "good": True}
    differing = sorted({name for one in runs["virtual"] for name in differences(first["native"], one)})
    unsteady = []
    if differing and first["native"]["status"] == 0:
        again = one_run(host.native(entry.command()), entry.seconds, environments(host, entry, "native"))
        runs["native_again"] = [again]
        unsteady = [name for name in differing if name in differences(first["native"], again)]
    real = [name for name in differing if name not in unsteady]
    if first["virtual"]["status"] in SIGNALLED:
        runs["crash"] = [crash(host, entry)]
    natively, virtually = first["native"], first["virtual"]
    ended_alike = all(one["status"] == natively["status"] and one["failed"].keys() == natively["failed"].keys() for one in runs["virtual"])
    foreign = virtually["watched"].get("foreign", [])
    return {**record,
            "versions": natively["versions"] or virtually["versions"],
            "native_hash": digest(natively), "virtual_hash": digest(virtually),
            "same": not real and ended_alike, "differing": real, "not_deterministic_natively": unsteady,
            "seconds": {side: values[0]["seconds"] for side, values in runs.items()},
            "refused": virtually["refused"], "speeds": speeds({side: runs[side] for side in ("native", "virtual")}),
            "works_natively": natively["status"] == 0, "works": all(one["status"] == 0 for one in runs["virtual"]),
            "foreign": foreign, "good": not real and ended_alike and not foreign}


def digest(said):
    """One hash over all that is compared."""
    lines = [f"{name} {text}" for kind in ("hashes", "values") for name, text in said[kind].items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def tell(record):
    if record.get("skipped"):
        print(f"{record['program']:20} not run: {record['skipped']}")
        return
    if record.get("missing"):
        print(f"{record['program']:20} missing on this machine: {record['missing']}")
        return
    word = "same" if record["good"] else "BAD"
    if not record["works_natively"]:
        word += " (fails natively too)"
    print(f"{record['program']:20} {word}, native {record['seconds']['native']} s, virtual {record['seconds']['virtual']} s,"
          f" {len(record['runs']['native'][0]['hashes'])} hashes, {len(record['runs']['native'][0]['values'])} values")
    for name, entry in record["speeds"].items():
        print(f"        {name}: {entry}")
    if record["not_deterministic_natively"]:
        print("        differs natively from itself:", ", ".join(record["not_deterministic_natively"]))
    if record["differing"]:
        print("        differs:", ", ".join(record["differing"]))
    if record["refused"]:
        print("        refused:", ", ".join(record["refused"]))
    if record["foreign"]:
        print("        driver files in the guest process:", record["foreign"])
    if "crash" in record["runs"]:
        print("        crash:\n       ", tail(record["runs"]["crash"][0]["stderr"], 60))
    for side in ("native", "virtual"):
        one = record["runs"][side][0]
        for name, text in one["failed"].items():
            print(f"        {side} failed {name}: {text[:160]}")
        if one["status"] != 0:
            print(f"        {side} ended with {one['status']}:\n        {tail(one['stderr'])}")


def skipped(name, why):
    return {"program": name, "skipped": why, "same": None, "good": False}


def guarded(host, entry, deadline):
    if time.monotonic() > deadline:
        record = skipped(entry.name, "time is over")
    else:
        record = judge(host, entry, runs_of(host, entry))
    tell(record)
    return record


def smi(host):
    """NVIDIA's own nvidia-smi, and ours, on our NVML: what they say of the vGPU."""
    record = {"program": "nvidia-smi", "same": None, "runs": {}}
    theirs, ours = shutil.which("nvidia-smi"), payload("bin/nvidia-smi")
    if theirs:
        copy = f"{WORK}/nvidia-smi-original"  # its own place is hidden from virtual commands
        shutil.copy2(os.path.realpath(theirs), copy)
        theirs = copy
    queries = {"table": [], "list": ["-L"], "details": ["-q", "-d", "MEMORY,UTILIZATION"],
               "csv": ["--query-gpu=name,uuid,pci.bus_id,driver_version,memory.total,memory.used,compute_cap,utilization.gpu", "--format=csv"]}
    good = True
    for which, path in (("theirs", theirs), ("ours", ours if os.path.exists(ours) else None)):
        if not path:
            record["runs"][which] = "missing"
            continue
        for name, arguments in queries.items():
            result = run(host.virtual([path, *arguments], memory="4GiB"), 30)
            record["runs"][f"{which} {name}"] = result
            good = good and result["status"] == 0
            print(f"nvidia-smi {which} {name}: status {result['status']}")
            for line in result["lines"] + result["stderr"].splitlines()[-5:]:
                print("       ", line)
    return {**record, "good": good}


# natively the default is NVLink; between two vGPUs, each a machine of its own to NCCL, it is the network
NCCL_WAYS = {"default": {}, "sockets": {"NCCL_P2P_DISABLE": "1", "NCCL_SHM_DISABLE": "1"}}


def two_ranks(host):
    """Two processes on two GPUs; virtually each is a domain of its own, on a pool of its own."""
    record = {"program": "nccl_two_ranks", "same": None, "good": True, "runs": {}}
    if len(machine.gpus()) < 2:
        record["missing"] = "a second GPU"
        tell(record)
        return record
    for way, variables in NCCL_WAYS.items():
        sides = {}
        for side in ("native", "virtual"):
            meeting = f"{WORK}/meeting-{way}-{side}"
            started = []
            for rank in range(2):
                command = [sys.executable, os.path.join(SCRIPTS, "nccl_ranks.py"), str(rank), "2", meeting]
                environment = {**os.environ, **variables, "NCCL_DEBUG": "WARN", "PYTHONUNBUFFERED": "1"}
                if side == "native":
                    environment["CUDA_VISIBLE_DEVICES"] = str(rank)
                else:
                    command = host.virtual(command, pool=host.pools[rank])
                started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment))
            sides[side] = [finished(process, 60) for process in started]
        same = all(not differences(*pair) and pair[0]["status"] == pair[1]["status"] for pair in zip(sides["native"], sides["virtual"]))
        record["runs"][way] = {"same": same, **sides}
        print(f"nccl_two_ranks {way}: {'same' if same else 'BAD'}",
              {side: [(one["status"], len(one["hashes"])) for one in ranks] for side, ranks in sides.items()})
        for side, ranks in sides.items():
            for one in ranks:
                if one["status"] != 0:
                    print(f"        {side}:", tail("\n".join([*one["infos"], str(one["failed"]), one["stderr"]])))
    record["good"] = record["same"] = all(one["same"] for one in record["runs"].values())
    return record


def finished(process, seconds):
    try:
        out, err = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        status = 124
    return {**parse({"lines": out.splitlines()}), "status": status, "refused": sorted(set(REFUSED.findall(err))), "stderr": err[-3000:]}


SPECIAL = {"nvidia_smi": smi, "nccl_two_ranks": two_ranks}


def chosen(names):
    known = [entry.name for entry in PROGRAMS] + list(SPECIAL)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise SystemExit(f"no program {', '.join(unknown)}; there are {', '.join(known)}")
    return names or known


def stage(host, names=None, rounds=None, budget=BUDGET):
    wanted = chosen(names)
    deadline = time.monotonic() + (budget if names is None else 3600)
    entries = [dataclasses.replace(entry, rounds=rounds) if rounds and entry.rounds > 1 else entry
               for entry in PROGRAMS if entry.name in wanted]
    start = time.monotonic()
    records = {}
    try:
        with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
            beside = [entry for entry in entries if not entry.alone]
            for record in pool.map(lambda entry: guarded(host, entry, deadline), beside):
                records[record["program"]] = record
        for entry in entries:
            if entry.alone:
                records[entry.name] = guarded(host, entry, deadline)
        for name, function in SPECIAL.items():
            if name in wanted:
                records[name] = function(host)
    except KeyboardInterrupt:  # what is known by now is worth keeping
        for name in wanted:
            records.setdefault(name, skipped(name, "interrupted"))
    return {"good": all(record["good"] for record in records.values()), "seconds": round(time.monotonic() - start, 1),
            "beside": BESIDE, "programs": records}
