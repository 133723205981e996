# SPDX-License-Identifier: Apache-2.0
"""What the project set itself, and what the raw results say of it."""
import statistics

REASONS = {
    "launch and wait, p99": "two processors take part instead of one, and either may be interrupted: where a call is fast, that is a larger part. Executors that collect no garbage either had 0.83 in three rounds "
                            "of `tails.json`",
    "time per launch, one thread, back to back": "a process differs from the next natively too, by a fifth. An executor's own part of it is 15 to 27 ns (`launchpath_empty.json`: `run.py --soft launchpath`, on a "
                                                 "driver that does nothing, on two processors), and no other processor's work changes what the driver takes there (`tails.json`)",
    "current device": "the bare driver answers from memory too: both take the time of a function call, and a tenth of that is no time for one",
    "device attribute": "the same",
}


ALIKE = ("current device", "device attribute")  # missed everywhere, for the same reason


def of_bench(name):
    def values(results):
        rounds = results["bench"]["rounds"]
        return [[numbers[name] for numbers in rounds[side] if numbers] for side in ("native", "virtual")]
    return values


def per_launch(results):
    return [[1e6 / value for value in side] for side in of_bench("launches_per_second")(results)]


def of_llama(kind, name):
    def values(results):
        sides = results["llama"]["runs"][kind]
        return [[run[name] if name in run else run["warm"][name] for run in sides[side]] for side in ("native", "virtual")]
    return values


def pytorch(results):
    runs = results["programs"]["programs"]["generate_1b"]["runs"]
    return [[rate for run in runs[side] for rate in run["rates"]["decode_tokens_per_second"]] for side in ("native", "virtual")]


def modules(results):
    times = results["modules"]["runs"]["virtual"]
    return [[run["load_ms"] for run in times[time]] for time in ("first", "second")]


# what, where from, whether less is better, the bar (a ratio to native), the unit
BARS = [
    ("launch and wait, p50", of_bench("launch_and_wait.p50"), True, 1.00, "us"),
    ("launch and wait, p99", of_bench("launch_and_wait.p99"), True, 1.00, "us"),
    ("time per launch, one thread, back to back", per_launch, True, 1.05, "us"),
    ("wait on an idle stream", of_bench("idle_stream_synchronize"), True, 0.1, "us"),
    ("event query", of_bench("event_query"), True, 0.1, "us"),
    ("current device", of_bench("current_device"), True, 0.1, "us"),
    ("device attribute", of_bench("device_attribute"), True, 0.1, "us"),
    ("cuMemAlloc and cuMemFree of 1 MiB", of_bench("alloc_and_free_1MiB.p50"), True, 0.2, "us"),
    ("pinned to the device, 64 KiB", of_bench("pinned_h2d_64KiB_GBps"), False, 0.95, "GB/s"),
    ("pinned from the device, 64 KiB", of_bench("pinned_d2h_64KiB_GBps"), False, 0.95, "GB/s"),
    ("pinned to the device, 256 MiB", of_bench("pinned_h2d_262144KiB_GBps"), False, 0.99, "GB/s"),
    ("pinned from the device, 256 MiB", of_bench("pinned_d2h_262144KiB_GBps"), False, 0.99, "GB/s"),
    ("pageable to the device, 1 GiB", of_bench("pageable_h2d_1048576KiB_GBps"), False, 1.5, "GB/s"),
    ("pageable from the device, 1 GiB", of_bench("pageable_d2h_1048576KiB_GBps"), False, 1.0, "GB/s"),
    ("graph of 300 kernels, launch and wait", of_bench("graph_300_launch_and_wait.p50"), True, 1.01, "us"),
    ("llama.cpp 1B decode with graphs", of_llama("graphs", "decode_tokens_per_second"), False, 0.98, "tokens/s"),
    ("llama.cpp 1B decode without graphs", of_llama("no_graphs", "decode_tokens_per_second"), False, 1.00, "tokens/s"),
    ("llama.cpp 8B decode with graphs", of_llama("8b_graphs", "decode_tokens_per_second"), False, 0.99, "tokens/s"),
    ("llama.cpp, 4.2 GB, process start to first token", of_llama("8b_graphs", "first_token_seconds"), True, 1.05, "s"),
    ("PyTorch eager 1B decode", pytorch, False, 1.00, "tokens/s"),
    ("cuInit to the end of the first kernel", of_bench("first_kernel_ms"), True, 1.0, "ms"),
]


def woken(mib):
    """Seconds of a call while the memory is on the GPU, and behind parking."""
    def values(results):
        of = next(one for one in results["parking"]["wake"] if one["mib"] == mib)
        return [[value / 1000 for value in of[side]] for side in ("awake_ms", "wake_ms")]
    return values


ABSOLUTE = [("a launch's cost to the calling thread, p50", of_bench("launch_call.p50"), 0.15, "us"),
            ("next call of a parked process of 1 GiB (awake, parked)", woken(1024), 0.5, "s"),
            ("next call of a parked process of 16 GiB (awake, parked)", woken(16384), 1.5, "s")]


def spread(values):
    return f"{statistics.median(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def verdict(reached):
    return "reached" if reached else "**missed**"


def elsewhere(values, others, met):
    """What a bar's ratio was in runs of bench on other machines, where one of them missed it; `others` are results by name."""
    ratios = []
    for bench in others.values():
        try:
            native, virtual = values({"bench": bench})
            ratios.append(statistics.median(virtual) / statistics.median(native))
        except (KeyError, statistics.StatisticsError):
            pass
    return "" if all(map(met, ratios)) else "on other machines of the kind " + ", ".join(f"{ratio:.3f}" for ratio in ratios)


def rows(results, others):
    """One per bar that was measured, and the names of the others; last why it is missed, and where else it is."""
    found, missing = [], []
    for name, values, less, bar, unit in BARS:
        try:
            native, virtual = values(results)
            ratio = statistics.median(virtual) / statistics.median(native)
        except (KeyError, statistics.StatisticsError):
            missing.append(name)
            continue
        met = bar.__ge__ if less else bar.__le__
        said = [elsewhere(values, others, met)] if name not in ALIKE else []
        if said and said[0] or not met(ratio):
            said.append(REASONS.get(name, ""))
        found.append((f"{name}, {unit}", spread(native), spread(virtual), f"{ratio:.3f}", f"{'at most' if less else 'at least'} {bar:g}",
                      verdict(met(ratio)), "; ".join(filter(None, said))))
    for name, values, bar, unit in ABSOLUTE:
        try:
            native, virtual = values(results)
        except (KeyError, StopIteration):
            missing.append(name)
            continue
        found.append((f"{name}, {unit}", spread(native), spread(virtual), "", f"at most {bar:g} {unit}",
                      verdict(statistics.median(virtual) <= bar), ""))
    try:
        first, second = modules(results)
        ratio = statistics.median(second) / statistics.median(first)
        found.append(("fatbin of 100 MB, loaded again, ms (first load, second load)", spread(first), spread(second), f"{ratio:.3f}",
                      "at most 0.3 of the first", verdict(ratio <= 0.3), ""))
    except KeyError:
        missing.append("loading a fatbin of 100 MB again")
    return found, missing
