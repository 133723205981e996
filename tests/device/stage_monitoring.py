# SPDX-License-Identifier: Apache-2.0
"""What mediatord shows while two programs compute: metrics, vgpuctl top, events and the trace.

Good is what answers, counts what the programs did, and on a real GPU has NVML's readings. The trace comes back as
monitoring-trace.json, one scrape as monitoring-metrics.txt.
"""
import json
import os
import re
import subprocess
import time
import urllib.request

import machine
from host import Host
from machine import WORK, payload

ADDRESS = "127.0.0.1:9835"
OF_A_GPU = ("utilization_ratio", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts", "sm_clock_hertz")


def scrape():
    with urllib.request.urlopen(f"http://{ADDRESS}/metrics", timeout=10) as answer:
        return answer.read().decode()


def values(text, name):
    """The values of a metric by their labels."""
    return {labels: float(value) for labels, value in re.findall(rf"^{name}(\{{.*\}})? (\S+)$", text, re.MULTILINE)}


def watch(host, processes):
    """Scrapes and tops until the programs have ended; the last of each in which both showed."""
    scrapes, tops = [], []
    while any(process.poll() is None for process in processes):
        start = time.monotonic()
        text = scrape()
        scrapes.append({"seconds": round(time.monotonic() - start, 4), "text": text})
        top = host.vgpuctl("top", "--json", "--interval", "500ms")
        if top.returncode == 0:
            tops.append(json.loads(top.stdout))
    return scrapes, tops


def stage(host):
    work = f"{WORK}-monitoring"
    options = ["--run-dir", f"{work}/run", "--metrics", ADDRESS]
    with Host(host.gpus["default"], rehearsal=host.rehearsal, work=work, options=options) as own:
        command = own.virtual([payload("tests/driverapi")])
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
        scrapes, tops = watch(own, processes)
        outputs = [process.communicate()[0] for process in processes]
        after = scrape()
        events = [json.loads(line) for line in own.vgpuctl("events", "--format", "json").stdout.splitlines()]
        trace = own.vgpuctl("events", "--format", "trace")
    both = [s for s in scrapes if len(values(s["text"], "vgpu_domain_calls_total")) == 2]
    last = both[-1]["text"] if both else after
    calls = values(last, "vgpu_domain_calls_total")
    gpu = {name: values(last, "vgpu_gpu_" + name) for name in OF_A_GPU}
    shares = [sum(d["gpu_share"] or 0 for d in top["domains"]) for top in tops]
    kinds = [event["kind"] for event in events]
    problems = []

    def expect(what, holds):
        if not holds:
            problems.append(what)

    expect("the programs pass", all(process.returncode == 0 for process in processes))
    expect("both domains show", bool(both))
    expect("calls are counted", calls and all(count > 0 for count in calls.values()))
    expect("launches are counted", any(values(last, "vgpu_domain_launches_total").values()))
    expect("domains that are gone disappear", not values(after, "vgpu_domain_calls_total"))
    expect("the GPU is described", host.rehearsal or all(gpu.values()))
    expect("GPU time is measured", bool(values(last, "vgpu_domain_gpu_seconds_total")))
    expect("no more than the GPU is shared", all(share < 1.05 for share in shares))
    expect("two executors came and went", kinds.count("executor-started") == 2 and kinds.count("executor-ended") == 2)
    expect("the trace is drawn", trace.returncode == 0 and len(json.loads(trace.stdout)["traceEvents"]) > 4)
    for name, text in {"monitoring-trace.json": trace.stdout, "monitoring-metrics.txt": last}.items():
        with open(os.path.join(machine.OUT, name), "w") as file:
            file.write(text)
    print(f"{len(scrapes)} scrapes, the longest {max(s['seconds'] for s in scrapes)} s; GPU: {gpu}")
    # both look at one GPU: what the scheduler charges, and what NVML samples
    utilization = [max(values(s["text"], "vgpu_gpu_utilization_ratio").values(), default=None) for s in both]
    print("share of the GPU in each interval:", [round(share, 3) for share in shares])
    print("utilization that NVML shows:", utilization)
    for problem in problems:
        print("  not so:", problem)
        print("    ", [output[-300:] for output in outputs] if "pass" in problem else "")
    return {"good": not problems, "problems": problems, "gpu": gpu, "shares": shares, "utilization": utilization, "kinds": kinds,
            "scrape_seconds": [s["seconds"] for s in scrapes]}
