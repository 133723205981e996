# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/benchmarks.md about programs in a VM, parked processes and the watchdog."""
from bars import spread

IN_VM = ("fork", "llama", "torch", "ollama")


def programs_in_vm(results, table):
    rows = []
    for file in ("vm", "vm_ollama"):
        for name, record in results.get(file, {}).get("host_programs", {}).items():
            answers = 1 if isinstance(record["vm"], str) else len(record["vm"])
            rows.append((name, "yes" if record["same"] else "no", answers, f"{record['ms'] / 1000:.1f}"))
    if not rows:
        return ""
    return ("\nThen the VM mounted the machine's own root directory read-only (virtiofs) and ran programs from there, unmodified; their answers (hashes of results, of "
            "logits, of texts, and\nwhat they found) are compared with those of native runs just before. `ollama` is Ollama's own server with its own CUDA backend: it finds the "
            "vGPU (`library=CUDA`),\ncreates a model, puts all layers on it and answers three prompts. `run.py vm=fork,llama,torch` and `run.py vm=ollama`; raw: `vm.json`, "
            "`vm_ollama.json`, `vm_ollama_console.txt`.\n\n"
            + table(rows, "program", "same as natively", "answers", "seconds under emulation"))


def parking(results, table):
    if "parking" not in results:
        return ""
    found = results["parking"]
    rows = [(f"{one['mib']} MiB parked, next call", spread(one["wake_ms"]), spread([1000 * seconds for seconds in one["park_seconds"]]))
            for one in found["wake"]]
    if turns := found.get("turns") or results.get("parking_turns", {}).get("turns"):
        rows.append((f"{turns['tenants']} processes of {turns['mib']} MiB that take turns, next call", spread(turns["wake_ms"]), "-"))
    if contexts := found.get("contexts"):
        used = contexts["used_mib"]
        rows.append((f"{contexts['tenants']} processes of {contexts['mib']} MiB parked with their contexts, next call: of {used['awake']} MiB on the GPU"
                     f" {used['parked']} are left", spread(contexts["wake_ms"]), spread([1000 * seconds for seconds in contexts["park_seconds"]])))
    return ("## Parked processes\n\nThe device memory of a process that is idle goes to host memory; its next call brings it back, at the same addresses. "
            "`run.py parking=wake,contexts` and `run.py parking=turns`; milliseconds,\nas the process sees them. " + ("All results of all processes were right." if found["good"] else "BAD: " + "; ".join(found["problems"]))
            + "\n\n" + table(rows, "what", "until the call is done", "parking"))


def watchdog(results, table):
    if "watchdog" not in results:
        return ""
    found = results["watchdog"]
    accounting = found["accounting"]
    rows = [(f"an endless kernel under kernel_limit = {found['limit_seconds']} s: its process is told 702 after", f"{found['endless']['seconds']:.1f} s")]
    rows += [(f"executor {number}: part of the GPU's time that is charged, and that the driver sampled", f"{share:.3f}, {accounting['sampled'][pid]:.3f}")
             for number, (pid, share) in enumerate(accounting["charged"].items(), 1) if pid in accounting["sampled"]]
    return ("## Watchdog and accounting\n\nA neighbour computes on meanwhile, with right results; the GPU's memory of the executor is back; short kernels that last longer in "
            "all are spared.\n`run.py watchdog`.\n\n" + table(rows, "what", "measured"))


def memory(results, table):
    if "memory" not in results:
        return ""
    speeds = results["memory"]["speeds"]
    ways = next(iter(speeds.values()))
    rows = [(way, *(spread(speeds[reading][way]) for reading in speeds)) for way in ways]
    return (f"## Device memory by how it came about\n\nOn the bare driver, a kernel that reads {results['memory']['mib']} MiB; GB/s. Where memory of executors comes from makes no "
            "difference: it is mapped, on boundaries of 2 MiB, and\nmay be shared. `run.py memory`.\n\n" + table(rows, "way", *speeds))
