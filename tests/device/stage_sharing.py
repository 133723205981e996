# SPDX-License-Identifier: Apache-2.0
"""Tenants of one GPU: a high one beside a low hog, equal ones, weights, what the scheduler costs, a tenant that is killed.

    run.py sharing                    USUAL parts under the default terms, and the high one beside the hog under VARIANTS too
    run.py sharing=beside,slices:2    parts, and terms by name, in so many rounds
    run.py sharing=sweep              budgets, run sets, turns and delays in less than five minutes; a table at the end
    run.py sharing=decode             llama.cpp paced at 50 tokens a second beside PyTorch that trains; decode_8b: the larger model
    run.py sharing=armed              what PyTorch that trains keeps beside a high domain that has next to nothing to do
    run.py sharing=decoders           two and four equal domains of llama.cpp, against one domain with as many processes

The parts are PARTS, the terms TERMS. Every ratio is between measurements of one mediatord's life, on the same GPU.
"""
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import machine
import sharing_cost
from host import Host
from machine import PAYLOAD, WORK, payload
from stage_llama import LARGE, SMALL, command_of
from tenants import WARM_UP_US, Tenant, jain, late_steps, latency, nanoseconds, quantile, rates_together, timelines

# lines of the pool's file
TERMS = {
    "default": "",
    "unpredicted": "predict = false\n",
    "not_ahead": "ahead = false\n",
    "least_0": "least = 0.0\n",
    "least_1": "least = 0.01\n",
    "least_2": "least = 0.02\n",
    "least_5": "least = 0.05\n",
    "slices": "leases = false\n",  # only the hardware shares, by slices as the pool has them
    "unscheduled": 'leases = false\nslice = "0s"\n',  # mediatord does nothing
    "no_slice": 'slice = "0s"\n',
    "slice_100us": 'slice = "100us"\n',
    "slice_50us": 'slice = "50us"\n',
    "least_30": "least = 0.3\n",
    "least_100": "least = 1.0\n",
    "patient": 'patience = "5s"\n',
    "impatient": 'patience = "100ms"\n',
    "armed_500us": 'armed_budget = "500us"\n',
    "armed_100us": 'armed_budget = "100us"\npredict = false\n',
    "armed_1ms": 'armed_budget = "1ms"\npredict = false\n',
    "small_armed": 'armed_budget = "250us"\n',
    "largest_armed": 'armed_budget = "4ms"\n',
    "run_set_2": "run_set = 2\n",
    "run_set_4": "run_set = 4\n",
    "turn_1ms": 'turn = "1ms"\nbudget = "1ms"\n',
    "turn_20ms": 'turn = "20ms"\nbudget = "10ms"\n',
    "budget_100us": 'turn = "1ms"\nbudget = "100us"\n',
    "budget_500us": 'turn = "2ms"\nbudget = "500us"\n',
    "turn_10ms": 'turn = "10ms"\n',
    "run_set_3": "run_set = 3\n",
    "delay_40": "delay = 0.4\n",
    "delay_80": "delay = 0.8\n",
}
USUAL = ("beside", "equal", "weights", "cost", "killed")
PARTS = (*USUAL, "decode", "decode_8b", "decoders", "armed")
SWEEP = {
    "beside": ("default", "delay_40", "delay_80", "unpredicted", "armed_100us", "armed_1ms", "slices"),
    "equal": ("default", "turn_1ms", "turn_10ms", "turn_20ms", "budget_100us", "budget_500us", "run_set_2", "run_set_3", "run_set_4", "slices"),
}
SWEEP_SECONDS = 1.5
VARIANTS = ("not_ahead", "unpredicted", "small_armed", "least_0", "no_slice", "slices")  # of "beside", after the default
# those that the terms are about, or that say it all
HOGS_OF = {**{name: (5000,) for name in ("least_0", "least_1", "least_2", "least_5", "least_30", "least_100", "no_slice")}, "slices": (1000,)}
EQUAL_VARIANTS = ("run_set_2", "slices")
HOGS_US = (200, 1000, 5000)
SECONDS = 2.5
STEP = (20, 50, 3000)  # kernels, microseconds each, microseconds from step to step


class Bench:
    """One mediatord with its terms."""

    def __init__(self, host, rate, seconds, step, hogs, decoding):
        self.host, self.rate, self.seconds, self.step, self.hogs, self.decoding = host, str(rate), seconds, step, hogs, decoding

    def tenant(self, command, priority="normal", weight=100):
        line = self.host.virtual(command)
        at = line.index("run") + 1
        return line[:at] + ["--priority", priority, "--weight", str(weight)] + line[at:]

    def command(self, role, *arguments, **terms):
        return self.tenant([payload("tests/sharing"), role, *map(str, arguments)], **terms)

    def stepper(self, priority="high", seconds=None):
        return Tenant(self.command("step", self.rate, *self.step, seconds or self.seconds, priority=priority))

    def hog(self, microseconds, depth=8, seconds=None, **terms):
        return Tenant(self.command("hog", self.rate, microseconds, depth, seconds or self.seconds, **terms))

    def together(self, *tenants, until=None):
        """Starts tenants at once; their results, and the GPU time that mediatord charged by then."""
        try:
            for tenant in tenants:
                tenant.start()
            time.sleep((until or self.seconds) * 0.9)
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
            (free,), _ = self.together(self.hog(microseconds, seconds=self.seconds / 4, priority="low"), until=self.seconds / 4)
            (steps, hog), charged = self.together(self.stepper(), self.hog(microseconds, priority="low"))
            found = latency(steps)
            result["hogs"][microseconds] = {
                **found, **late_steps(steps, result["alone"]["p50_us"]),
                "p99_ratio": found["p99_us"] / result["alone"]["p99_us"], "p50_ratio": found["p50_us"] / result["alone"]["p50_us"],
                "hog_part_of_alone": (hog["work_us"] / hog["seconds"]) / (free["work_us"] / free["seconds"]), "charged_seconds": charged,
            }
            result["raw"][microseconds] = {"steps": steps, "hog": hog, "hog_alone": free}
        decisions = self.decisions()
        for one in result["raw"].values():
            if "steps" in one:
                steps = one["steps"]
                learnt = [number for number, begin in enumerate(steps["begins_us"]) if begin >= WARM_UP_US]
                one["timelines"] = timelines(decisions, [steps["first_us"] + begin for begin in steps["begins_us"]], steps["latencies_us"], learnt)
        return result

    def decisions(self):
        """Who had the GPU and who was let in, as far back as mediatord remembers: microseconds of the monotonic clock, what, the domain, microseconds.
        Of a domain that is let in: within how many of them its work must be done, 0: that is not said."""
        wall = time.time_ns() - time.monotonic_ns()
        lines = [json.loads(line) for line in self.host.vgpuctl("events", "--format", "json").stdout.splitlines()]
        return [((nanoseconds(line["time"]) - wall) / 1000, line["kind"], line["domain_uuid"][:8], round(line.get("nanoseconds", 0) / 1000))
                for line in lines if line["kind"] in ("lease-granted", "lease-ended", "gpu-used")]

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

    def decoder(self, shape, pace, processes=1, tokens=None, gate=None, **terms):
        """A domain whose processes run llama.cpp at a pace each, from when the gate opens; what they say goes into files."""
        environment = {**os.environ}
        if not self.host.rehearsal:
            environment["LD_LIBRARY_PATH"] = ":".join([*machine.cuda_directories(), os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")
        d = self.decoding
        command = command_of(d.get("shape", shape), d["gpu_layers"], d["prompt"], tokens or d["tokens"], d["threads"]) + [str(pace)] + ([gate] if gate else [])
        where = tempfile.mkdtemp(prefix="decoder", dir=self.host.work)
        loop = 'where=$1 count=$2; shift 2; for i in $(seq $count); do "$@" >$where/$i.json 2>$where/$i.err & done; wait'
        process = subprocess.Popen(self.tenant(["sh", "-c", loop, "sh", where, str(processes), *command], **terms), cwd=PAYLOAD, env=environment,
                                   start_new_session=True, stdout=subprocess.DEVNULL)
        return process, [f"{where}/{number + 1}" for number in range(processes)]

    def decoded(self, decoders, seconds):
        """What the processes of some domains said."""
        deadline, found = time.monotonic() + seconds, []
        try:
            for process, files in decoders:
                process.wait(max(deadline - time.monotonic(), 1))
                for name in files:
                    with open(name + ".json") as file:
                        lines = [line for line in file if line.startswith("{")]
                    if not lines:
                        with open(name + ".err", errors="replace") as file:
                            raise RuntimeError(f"llama_run said nothing: {file.read()[-1000:]}")
                    found.append(json.loads(lines[-1]))
            return found
        finally:
            for process, _ in decoders:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)

    def trainer(self, seconds):
        """PyTorch that trains; a hog where there is no PyTorch."""
        if importlib.util.find_spec("torch"):
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "torch_train.py")
            return Tenant(self.tenant([sys.executable, script, str(seconds)], priority="low"), {"TRITON_LIBCUDA_PATH": payload("lib")})
        if not self.host.rehearsal:
            raise RuntimeError("there is no PyTorch")
        return self.hog(1000, seconds=seconds, priority="low")

    def decode(self, shape=SMALL):
        """Tokens at a pace alone and beside training, training alone; training counts while the tokens are paced."""
        d = self.decoding
        paced = d["tokens"] / d["pace"]
        (alone,) = self.decoded([self.decoder(shape, d["pace"], priority="high")], paced + 120)
        trainer = self.trainer(max(paced / 2, 2))
        try:
            trainer.start()
            free = trainer.result(paced + 60)
        finally:
            trainer.end()
        trainer = self.trainer(paced + d["start"])
        try:
            trainer.start()
            (numbers,) = self.decoded([self.decoder(shape, d["pace"], priority="high")], paced + 120)
            decisions = self.decisions()
            trained = trainer.result(paced + 60)
        finally:
            trainer.end()
        latencies = {"alone": alone["steps_us"], "beside": numbers["steps_us"]}
        result = {"training": "PyTorch" if "done" in trained else "hog", "same_hash": alone["hash"] == numbers["hash"], "raw": latencies}
        begins = [begin * 1e6 for begin in numbers["begins"]]
        result["timelines"] = timelines(decisions, begins, numbers["steps_us"], range(d["learn"], len(begins)))
        for name, values in latencies.items():
            # the rhythm is learnt from the first ones, which are shown in the raw values
            result[name] = {f"p{part}_us": quantile(values[d["learn"]:], part / 100) for part in (50, 90, 99, 100)}
        latencies["beside_begins"] = numbers["begins"]
        result["p99_ratio"] = result["beside"]["p99_us"] / result["alone"]["p99_us"]
        if "done" in trained:
            window = [at for at in trained["done"] if numbers["began"] + 0.5 <= at <= numbers["ended"]]
            if len(window) < 10 or trained["done"][-1] < numbers["ended"]:
                raise RuntimeError(f"training ended before the tokens did, or did not get on: {len(window)} steps")
            rates = [(len(done) - 1) / (done[-1] - done[0]) for done in (free["done"], window)]
        else:
            rates = [one["work_us"] / one["seconds"] for one in (free, trained)]
        result["training_alone"], result["training_beside"] = rates
        result["training_part_of_alone"] = rates[1] / rates[0]
        return result

    def armed(self):
        """What training keeps beside a high domain that is armed and has next to nothing to do: what its leases cost it."""
        rates = []
        for steps in (None, self.command("step", self.rate, 1, 10, 50_000, self.seconds + 3, priority="high")):
            tenants = [self.trainer(self.seconds)] + ([Tenant(steps)] if steps else [])
            try:
                for tenant in reversed(tenants):
                    tenant.start()
                trained = tenants[0].result(self.seconds + 60)
            finally:
                for tenant in tenants:
                    tenant.end()
            done = trained.get("done")
            rates.append((len(done) - 1) / (done[-1] - done[0]) if done else trained["work_us"] / trained["seconds"])
        return {"training_alone": rates[0], "training_beside": rates[1], "training_part_of_alone": rates[1] / rates[0]}

    def decode_8b(self):
        return self.decode(LARGE)

    def decoders(self):
        """Equal domains with a process each that decodes as fast as it goes, against one domain with as many processes."""
        pace, tokens = 1_000_000, self.decoding["fast_tokens"]  # no pause between tokens
        result = {}

        def together(domains, processes):
            gate = tempfile.mkdtemp(prefix="gate", dir=self.host.work)
            decoders = [self.decoder(SMALL, pace, processes, tokens, gate) for _ in range(domains)]
            deadline = time.monotonic() + 120
            while len(os.listdir(gate)) < domains * processes and time.monotonic() < deadline:
                time.sleep(0.01)
            os.mkdir(f"{gate}/open")  # whoever is not there by now is missed below
            return rates_together(self.decoded(decoders, 180))

        for count in (2, 4):
            (one, first), (many, second) = together(1, count), together(count, 1)
            result[count] = {"one_domain": one, "domains": many, "sum_of_one_domain": sum(many) / sum(one), "jain_of_tokens": jain(many), "seconds": [first, second]}
        return result

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
        calm = latency(steps, 0)
        first = [value for begin, value in zip(steps["begins_us"], steps["latencies_us"]) if WARM_UP_US / 2 <= begin < self.seconds / 3 * 1e6]
        limit = 1.2 * quantile(first, 0.99)
        late = [begin + value - killed for begin, value in zip(steps["begins_us"], steps["latencies_us"]) if begin + value > killed and value > limit]
        # the last second's outliers do not count: they have nothing to do with the kill
        late = [at for at in late if at < 1e6]
        return {"all": calm, "p99_before_us": quantile(first, 0.99), "recovered_after_ms": max(late, default=0) / 1000, "raw": steps}


def table(found):
    """What was found, a line for each part, terms and figure."""
    for part, variants in found.items():
        for terms, one in variants.items():
            if part == "beside":
                for hog, numbers in one["hogs"].items():
                    print(f"{part:8}{terms:14}hog {hog:>5} us: p99 {numbers['p99_ratio']:.2f} p50 {numbers['p50_ratio']:.2f} of alone, hog keeps {numbers['hog_part_of_alone']:.2f}; "
                          f"{numbers['late_part']:.3f} of the steps late, at most {numbers['late_in_a_row']} in a row, {numbers['late_at_first']} at first")
            elif part == "equal":
                for count in (2, 4):
                    print(f"{part:8}{terms:14}{count} tenants: sum {one[count]['sum_of_alone']:.3f} of one, Jain index of work {one[count]['jain_of_work']:.4f}")
            elif part == "decoders":
                for count in (2, 4):
                    print(f"{part:9}{terms:14}{count} domains: sum {one[count]['sum_of_one_domain']:.3f} of one domain with {count} processes, "
                          f"Jain index of tokens {one[count]['jain_of_tokens']:.4f}")
            elif part == "armed":
                print(f"{part:8} {terms:14}training keeps {one['training_part_of_alone']:.3f}")
            elif part.startswith("decode"):
                print(f"{part:8} {terms:14}p99 {one['p99_ratio']:.2f} of alone, {one['training']} keeps {one['training_part_of_alone']:.3f}")


class Stage:
    def __init__(self, host, seconds, step, hogs, decoding):
        self.gpu, self.rehearsal = host.gpus["default"], host.rehearsal
        self.seconds, self.step, self.hogs, self.decoding, self.rate = seconds, step, hogs, decoding, None

    def cost(self, terms):
        """A tenant alone under each of some terms, each with a mediatord of its own."""
        with contextlib.ExitStack() as stack:
            benches = {}
            for name in terms:
                work = f"{WORK}-sharing-{name}"
                host = stack.enter_context(Host(self.gpu, rehearsal=self.rehearsal, work=work, pool="[sharing]\n" + TERMS[name], options=("--run-dir", f"{work}/run")))
                benches[name] = Bench(host, self.rate, self.seconds, self.step, self.hogs, self.decoding)
            return sharing_cost.measure(benches)

    def under(self, terms, part, seconds=None):
        """One part under some terms, in a life of its own of mediatord."""
        work = f"{WORK}-sharing"
        hogs = [hog for hog in self.hogs if hog in HOGS_OF.get(terms, self.hogs)] or self.hogs
        with Host(self.gpu, rehearsal=self.rehearsal, work=work, pool="[sharing]\n" + TERMS[terms], options=("--run-dir", f"{work}/run")) as host:
            if self.rate is None:
                line = subprocess.run(host.virtual([payload("tests/sharing"), "calibrate"]), capture_output=True, text=True, timeout=120, cwd=PAYLOAD)
                self.rate = json.loads(line.stdout)["rate"]
            result = getattr(Bench(host, self.rate, seconds or self.seconds, self.step, hogs, self.decoding), part)()
        shown = {key: value for key, value in result.items() if key not in ("raw", "tenants")}
        print(f"{part} {terms}: {json.dumps(shown)[:1500]}", flush=True)
        return result


DECODING = {"gpu_layers": 99, "prompt": 512, "tokens": 500, "threads": 8, "pace": 50, "learn": 20, "start": 15, "fast_tokens": 1000}


def stage(host, names=USUAL, rounds=1, seconds=SECONDS, step=STEP, hogs=HOGS_US, decoding=None, sweep_seconds=SWEEP_SECONDS):
    for name in names:
        if name not in PARTS and name not in TERMS and name != "sweep":
            raise ValueError(f"no part and no terms {name}: there are sweep, {PARTS} and {tuple(TERMS)}")
    terms = [name for name in names if name in TERMS]
    usual = {"beside": ("default", *VARIANTS), "equal": ("default", *EQUAL_VARIANTS), "cost": sharing_cost.TERMS}
    plan = [(part, terms or usual.get(part, ("default",)), seconds) for part in names if part in PARTS]
    if "sweep" in names:
        plan += [(part, variants, sweep_seconds) for part, variants in SWEEP.items()]
    if not plan:
        plan = [("beside", terms, seconds)]
    run = Stage(host, seconds, step, hogs, decoding or DECODING)
    result = {"terms": TERMS, "seconds": seconds, "step": step, "rounds": []}
    for _ in range(rounds):
        found = {}
        for part, variants, length in plan:
            found.setdefault(part, {}).update(run.cost(variants) if part == "cost" else {variant: run.under(variant, part, length) for variant in variants})
        if "cost" in found:
            print("cost with the scheduler to without:", json.dumps(sharing_cost.ratios(found["cost"])), flush=True)
        table(found)
        result["rounds"].append(found)
    result["cost_ratios"] = sharing_cost.ratios(sharing_cost.together(result["rounds"]))
    result["rate"] = run.rate
    result["good"] = True  # nobody failed; what was measured is to be read
    return result
