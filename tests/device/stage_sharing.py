# SPDX-License-Identifier: Apache-2.0
"""Tenants of one GPU: a high one beside a low hog, equal ones, weights, what the scheduler costs, a tenant that is killed.

    run.py sharing                    every part under the default terms, and the high one beside the hog under VARIANTS too
    run.py sharing=beside,slices:2    parts, and terms by name, in so many rounds

The parts are PARTS, the terms TERMS. Every ratio is between measurements of one mediatord's life, on the same GPU.
"""
import json
import os
import signal
import subprocess
import time

from host import Host
from machine import PAYLOAD, WORK, payload
from watch import descendants

# lines of the pool's file
TERMS = {
    "default": "",
    "unpredicted": "predict = false\n",
    "slices": "leases = false\n",  # only the hardware shares
    "patient": 'patience = "5s"\n',
    "impatient": 'patience = "100ms"\n',
    "armed_100us": 'armed_budget = "100us"\npredict = false\n',
    "armed_1ms": 'armed_budget = "1ms"\npredict = false\n',
    "run_set_2": "run_set = 2\n",
    "run_set_4": "run_set = 4\n",
    "turn_1ms": 'turn = "1ms"\nbudget = "1ms"\n',
    "turn_20ms": 'turn = "20ms"\nbudget = "10ms"\n',
}
PARTS = ("beside", "equal", "weights", "cost", "killed")
VARIANTS = ("unpredicted", "slices")  # of "beside", after the default
EQUAL_VARIANTS = ("run_set_2", "slices")
HOGS_US = (200, 1000, 5000)
SECONDS = 2.5
STEP = (20, 50, 3000)  # kernels, microseconds each, microseconds from step to step
WARM_UP_US = 500_000  # of a step's run, in which durations and the rhythm are learnt


class Tenant:
    """A process of tests/sharing that has used the GPU and waits to be started."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, cwd=PAYLOAD, start_new_session=True, env={**os.environ, **(environment or {})})
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"{command} is not ready: {self.process.communicate(timeout=20)[1][-1000:]}")

    def start(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def result(self, seconds=60):
        out, err = self.process.communicate(timeout=seconds)
        if self.process.returncode:
            raise RuntimeError(f"a tenant ended with {self.process.returncode}: {err[-1000:]}")
        return json.loads(out)

    def kill(self):
        """kill -9 of the program itself, not of vgpuctl."""
        for pid in descendants(self.process.pid):
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == "sharing":
                    os.kill(pid, signal.SIGKILL)
                    return
        raise RuntimeError("there is no program to kill")

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def quantile(values, part):
    values = sorted(values)
    return values[int((len(values) - 1) * part)] if values else None


def latency(result, after=WARM_UP_US):
    values = [value for begin, value in zip(result["begins_us"], result["latencies_us"]) if begin >= after]
    return {"steps": len(values), "p50_us": quantile(values, 0.5), "p99_us": quantile(values, 0.99), "max_us": quantile(values, 1)}


class Bench:
    """One mediatord with its terms."""

    def __init__(self, host, rate, seconds, step, hogs):
        self.host, self.rate, self.seconds, self.step, self.hogs = host, str(rate), seconds, step, hogs

    def command(self, role, *arguments, priority="normal", weight=100):
        line = self.host.virtual([payload("tests/sharing"), role, *map(str, arguments)])
        at = line.index("run") + 1
        return line[:at] + ["--priority", priority, "--weight", str(weight)] + line[at:]

    def stepper(self, priority="high", seconds=None):
        return Tenant(self.command("step", self.rate, *self.step, seconds or self.seconds, priority=priority))

    def hog(self, microseconds, depth=8, seconds=None, **terms):
        return Tenant(self.command("hog", self.rate, microseconds, depth, seconds or self.seconds, **terms))

    def together(self, *tenants):
        """Starts tenants at once; their results, and the GPU time that mediatord charged by then."""
        try:
            for tenant in tenants:
                tenant.start()
            time.sleep(self.seconds * 0.9)
            charged = self.charged()
            return [tenant.result() for tenant in tenants], charged
        finally:
            for tenant in tenants:
                tenant.end()

    def charged(self):
        status = json.loads(self.host.vgpuctl("status", "--json").stdout)
        return [slot["statistics"]["GPUTime"] / 1e9 for slot in status["slots"]]

    def beside(self):
        """The high one alone, then beside each hog; each hog alone."""
        (alone,), _ = self.together(self.stepper())
        result = {"alone": latency(alone), "hogs": {}, "raw": {"alone": alone}}
        for microseconds in self.hogs:
            (free,), _ = self.together(self.hog(microseconds, priority="low"))
            (steps, hog), charged = self.together(self.stepper(), self.hog(microseconds, priority="low"))
            found = latency(steps)
            result["hogs"][microseconds] = {
                **found, "p99_ratio": found["p99_us"] / result["alone"]["p99_us"], "p50_ratio": found["p50_us"] / result["alone"]["p50_us"],
                "hog_part_of_alone": (hog["work_us"] / hog["seconds"]) / (free["work_us"] / free["seconds"]), "charged_seconds": charged,
            }
            result["raw"][microseconds] = {"steps": steps, "hog": hog, "hog_alone": free}
        return result

    def equal(self, microseconds=300):
        (alone,), _ = self.together(self.hog(microseconds))
        result = {"alone": alone}
        for count in (2, 4):
            all_of_them, charged = self.together(*[self.hog(microseconds) for _ in range(count)])
            work = [one["work_us"] / one["seconds"] for one in all_of_them]
            result[count] = {
                "jain_of_work": jain(work), "jain_of_charged": jain(charged), "sum_of_alone": sum(work) / (alone["work_us"] / alone["seconds"]),
                "charged_seconds": charged, "tenants": all_of_them,
            }
        return result

    def weights(self, microseconds=300):
        both, charged = self.together(self.hog(microseconds, weight=300), self.hog(microseconds, weight=100))
        work = [one["work_us"] / one["seconds"] for one in both]
        return {"share": work[0] / sum(work), "charged_share": max(charged) / sum(charged) if sum(charged) else None, "tenants": both}

    def cost(self):
        (numbers,), _ = self.together(Tenant(self.command("cost", self.seconds)))
        return numbers

    def killed(self):
        """Steps beside an endless kernel, which is killed after a while."""
        stepper = self.stepper(priority="normal", seconds=2 * self.seconds)
        endless = Tenant(self.command("endless", self.rate))
        try:
            stepper.start()
            time.sleep(self.seconds / 3)
            endless.start()
            time.sleep(self.seconds / 3)
            before = time.monotonic()
            endless.kill()
            killed = (self.seconds * 2 / 3) * 1e6 + (time.monotonic() - before) * 1e6
            steps = stepper.result()
        finally:
            stepper.end()
            endless.end()
        calm = latency({key: values for key, values in steps.items()}, 0)
        first = [value for begin, value in zip(steps["begins_us"], steps["latencies_us"]) if WARM_UP_US / 2 <= begin < self.seconds / 3 * 1e6]
        limit = 1.2 * quantile(first, 0.99)
        late = [begin + value - killed for begin, value in zip(steps["begins_us"], steps["latencies_us"]) if begin + value > killed and value > limit]
        # the last second's outliers do not count: they have nothing to do with the kill
        late = [at for at in late if at < 1e6]
        return {"all": calm, "p99_before_us": quantile(first, 0.99), "recovered_after_ms": max(late, default=0) / 1000, "raw": steps}


def jain(values):
    return sum(values) ** 2 / (len(values) * sum(value * value for value in values)) if any(values) else None


class Stage:
    def __init__(self, host, seconds, step, hogs):
        self.gpu, self.rehearsal = host.gpus["default"], host.rehearsal
        self.seconds, self.step, self.hogs, self.rate = seconds, step, hogs, None

    def under(self, terms, part):
        """One part under some terms, in a life of its own of mediatord."""
        work = f"{WORK}-sharing"
        with Host(self.gpu, rehearsal=self.rehearsal, work=work, pool="[sharing]\n" + TERMS[terms], options=("--run-dir", f"{work}/run")) as host:
            if self.rate is None:
                line = subprocess.run(host.virtual([payload("tests/sharing"), "calibrate"]), capture_output=True, text=True, timeout=120, cwd=PAYLOAD)
                self.rate = json.loads(line.stdout)["rate"]
            result = getattr(Bench(host, self.rate, self.seconds, self.step, self.hogs), part)()
        shown = {key: value for key, value in result.items() if key not in ("raw", "tenants")}
        print(f"{part} {terms}: {json.dumps(shown)[:1500]}", flush=True)
        return result


def stage(host, names=PARTS, rounds=1, seconds=SECONDS, step=STEP, hogs=HOGS_US):
    parts = [name for name in names if name in PARTS]
    terms = [name for name in names if name in TERMS]
    for name in names:
        if name not in PARTS and name not in TERMS:
            raise ValueError(f"no part and no terms {name}: there are {PARTS} and {tuple(TERMS)}")
    run = Stage(host, seconds, step, hogs)
    result = {"terms": TERMS, "seconds": seconds, "step": step, "rounds": []}
    for _ in range(rounds):
        found = {}
        for part in parts or ("beside",):
            variants = terms or {"beside": ("default", *VARIANTS), "equal": ("default", *EQUAL_VARIANTS), "cost": ("slices", "default", "slices", "default")}.get(
                part, ("default",))
            for number, variant in enumerate(variants):
                found.setdefault(part, {})[f"{variant}#{number}" if variants.count(variant) > 1 else variant] = run.under(variant, part)
        result["rounds"].append(found)
    result["rate"] = run.rate
    result["good"] = True  # nobody failed; what was measured is to be read
    return result
