# SPDX-License-Identifier: Apache-2.0
"""The section of docs/benchmarks.md on tenants of one GPU, from sharing.json and sharing_*.json, which are further runs of the stage."""
import statistics

import sharing_cost

# microseconds of the hog's kernels: p99 of the step at most, vs alone, and what is aimed at
BESIDE_BARS = {"200": (1.25, 1.10), "1000": (2.1, 1.3), "5000": (6, 1.5)}


def median(found, part, terms, pick):
    """Of the rounds that have the part under the terms; None without any."""
    values = [pick(one[part][terms]) for one in found if terms in one.get(part, {})]
    return statistics.median(values) if values else None


def terms_of(found, part):
    return list(dict.fromkeys(terms for one in found for terms in one.get(part, {})))


def verdict(reached):
    return "reached" if reached else "**missed**"


def beside(found):
    rows = []
    for terms in terms_of(found, "beside"):
        for hog in BESIDE_BARS:
            those = [one for one in found if hog in one.get("beside", {}).get(terms, {}).get("hogs", {})]
            values = [median(those, "beside", terms, lambda one, name=name: one["hogs"][hog][name]) for name in ("p50_ratio", "p99_ratio", "hog_part_of_alone")]
            if None in values:
                continue
            verdicts = [f"{bar:g} {verdict(values[1] <= bar)}" if terms == "default" else "" for bar in BESIDE_BARS[hog]]
            rows.append((terms, f"{int(hog) / 1000:g} ms", *(f"{value:.2f}" for value in values), *verdicts))
    return rows


def equal(found):
    rows = []
    for part, sums, index, what in (("equal", "sum_of_alone", "jain_of_work", "kernels of 0.3 ms"), ("decoders", "sum_of_one_domain", "jain_of_tokens", "llama.cpp 1B")):
        for terms in terms_of(found, part):
            for count in ("2", "4"):
                values = [median(found, part, terms, lambda one, name=name: one[count][name]) for name in (sums, index)]
                good = verdict(values[0] >= 0.95 and values[1] >= 0.99) if terms == "default" else ""
                rows.append((what, count, terms, f"{values[0]:.3f}", f"{values[1]:.4f}", good))
    return rows


def others(found):
    """What has one figure each: what, figure, bar, verdict."""
    rows = []
    for part, what in (("decode", "llama.cpp 1B"), ("decode_8b", "llama.cpp 8B")):
        ratio = median(found, part, "default", lambda one: one["p99_ratio"])
        kept = median(found, part, "default", lambda one: one["training_part_of_alone"])
        if ratio is not None:
            rows.append((f"{what} at 50 tokens a second, high, beside PyTorch that trains, low: p99 of a token, to alone", f"{ratio:.3f}", "at most 1.10", verdict(ratio <= 1.10)))
            rows.append(("the training's speed, to alone", f"{kept:.3f}", "at least 0.85", verdict(kept >= 0.85)))
    share = median(found, "weights", "default", lambda one: one["share"])
    if share is not None:
        rows.append(("weights 3:1, share of work of the heavier", f"{share:.3f}", "0.74 to 0.76", verdict(abs(share - 0.75) <= 0.01)))
    recovered = median(found, "killed", "default", lambda one: one["recovered_after_ms"])
    if recovered is not None:
        rows.append(("kill -9 of a tenant in an endless kernel: the others' last late step, ms after it", f"{recovered:.0f}", "at most 200", verdict(recovered <= 200)))
    cost = sharing_cost.ratios(sharing_cost.together(found))
    if cost:
        rate, wait = cost["launches_per_second"]["median"], cost["launch_and_wait_p50"]["median"]
        rows.append(("a single tenant's launches per second, with the scheduler to without", f"{rate:.3f}", "at least 0.99", verdict(rate >= 0.99)))
        rows.append(("its launch and wait, p50, with the scheduler to without", f"{wait:.3f}", "at most 1.01", verdict(wait <= 1.01)))
    return rows


# cases of timeslice.json, in words
SLICED = {
    "alone": "nobody beside it", "usual": "nothing: 2048 us for kernels", "slice_1000": "the hog's slice 1 ms", "slice_500": "0.5 ms", "slice_200": "0.2 ms",
    "slice_200_allocated": "0.2 ms from each group's allocation on", "other_user": "0.2 ms as `nobody`, refused interleave levels", "slice_20000": "20 ms", "step_10000": "the step's slice 10 ms",
    "interleave": "interleave level low for the hog, high for the step (CAP_SYS_NICE)", "preempt_every_300": "the hog preempts itself every 0.3 ms",
    "yield_preempt": "the hog preempts itself when a step begins", "yield_disable": "the hog disables its channels while a step lasts", "yield_unschedule": "the hog leaves the runlist while a step lasts",
}


def slices(stage, table):
    """What a process may do to its own groups of channels, without mediatord."""
    cases = stage["cases"]
    free = cases["hog_alone"]["hog"]["rate"]
    rows = [(what, f"{cases[name]['step']['p50_us'] / 1000:.2f}", f"{cases[name]['step']['p99_us'] / 1000:.2f}",
             f"{cases[name]['hog']['rate'] / free:.2f}" if "hog" in cases[name] else "") for name, what in SLICED.items() if "step" in cases.get(name, {})]
    return ("\nWhat a process can do on the bare driver so that others wait for less, without mediatord (`timeslice.json`: `run.py timeslice`): the step beside a hog with kernels of 5 ms, and what the hog asks the driver for its own groups of channels. "
            "No right is needed but for interleave levels, which change nothing. So executors of lower classes ask for slices (`slice`, [pools.md](pools.md#sharing)).\n\n"
            + table(rows, "asked", "step's p50, ms", "p99, ms", "the hog's speed, to alone"))


def missed(found, results):
    """What the rounds say of bars that are missed, by their medians or by one of them, a line each."""
    text = ""
    for hog, (_, aim) in BESIDE_BARS.items():
        ratios = [one["beside"]["default"]["hogs"][hog]["p99_ratio"] for one in found if hog in one.get("beside", {}).get("default", {}).get("hogs", {})]
        if ratios and max(ratios) > aim:
            text += (f"- beside kernels of {int(hog) / 1000:g} ms: the p99 is {' and '.join(f'{ratio:.2f}' for ratio in ratios)} of alone in the runs that the median is of. Where it is larger the high domain's "
                     "own executor woke up to 0.4 ms late, at some steps in a row\n")
    kept = [one["decode"]["default"]["training_part_of_alone"] for one in found if "decode" in one]
    if kept and statistics.median(kept) < 0.85:
        before = "" if "no_slice" in results.get("sharing_decode", results["sharing"])["terms"] else ", of before `slice`"
        text += f"- training beside tokens: {' and '.join(f'{value:.3f}' for value in kept)} in rounds of one run{before}; alone it differs by a twentieth from round to round itself\n"
    if costs := sharing_cost.together(found):
        ratios = sharing_cost.ratios(costs)
        spread = {side: sorted(one["launches_per_second"] / 1000 for name, one in costs.items() if name.partition("#")[0] == side) for side in sharing_cost.TERMS}
        without, under = ("{:.0f} to {:.0f}".format(values[0], values[-1]) for values in (spread[side] for side in sharing_cost.TERMS))
        rate = ratios["launches_per_second"]
        text += (f"- a single tenant: {without} thousand launches a second without the scheduler, {under} with it; the ratio is {rate['least']:.3f} to {rate['most']:.3f} in {ratios['lives']} lives, each with "
                 "processes of its own on the same processors. Where each process stayed where the kernel had put it the ratio was 0.939, of medians between 0.89 and 1.15 in eight lives (`cost_tried.json`): from one second to the next a process's launches "
                 "took a fifth longer or less, without the scheduler too. It has an unlimited lease and is asked nothing: on a driver that does nothing a launch takes no longer with it "
                 "(`launchpath_empty.json`, `consumed` and `unlimited`)\n")
    if any("decoders" in one for one in found):
        text += ("- domains of llama.cpp: two fill each other's pauses between tokens by the hardware's slices, as one domain's processes do; four have turns, and lose less than four processes to slices. Two of four at a time had "
                 "1.031 for the sum (`decoders_tried.json`)\n")
    return text


def section(results, table):
    """Markdown; nothing without results."""
    if "sharing" not in results:
        return ""
    stage = results["sharing"]
    found = [one for name, other in results.items() if name == "sharing" or name.startswith("sharing_") for one in other["rounds"]]
    kernels, length, period = stage["step"]
    text = "## Many tenants\n\nDomains on one GPU, each a host process of its own; every ratio is between runs under one mediatord.\n\n"
    if rows := beside(found):
        # runs of before `slice` have the driver's slices, and no terms without
        shown = ("; in all but `no_slice` (`slice = \"0s\"`) the hog's slices are 0.2 ms", "0.2") if "no_slice" in terms_of(found, "beside") else ("", "2")
        text += (f"A high domain's step, {kernels} kernels of {length} us every {period / 1000:g} ms, beside a low one that always has eight kernels posted. What the steps leave "
                 f"is {1 - kernels * length / period:.2f} of the GPU.\n`default` are the pool's default terms, `not_ahead` is `ahead = false`, `unpredicted` is `predict = false`, `small_armed` is `armed_budget = \"250us\"`, `least_0` is `least = 0`, `slices` is without the scheduler{shown[0]}.\n\n"
                 + table(rows, "terms", "hog's kernels", "step's p50, to alone", "p99, to alone", "the hog's speed, to alone", "p99's bar", "aim") + "\n"
                 + f"A kernel of 5 ms fits into no gap, and a step that meets one waits for the rest of the hardware's slice of {shown[1]} ms: the default gives such kernels a tenth of the GPU "
                   "(`least`, [pools.md](pools.md#sharing)) rather than none.\n\n")
    if rows := equal(found):
        text += ("Equal domains that always have work: sum of what they get done, to one domain alone (llama.cpp: to one domain with as many processes); bars 0.95 and 0.99.\n\n"
                 + table(rows, "work", "domains", "terms", "sum", "Jain index", "") + "\n")
    if rows := others(found):
        text += table(rows, "what", "measured", "bar", "") + "\n" + missed(found, results)
    if tried := results.get("decode_tried"):
        text += ("\nWhat was tried for tokens beside training, on several machines of the kind (`decode_tried.json`). The late tokens were explained by `decisions` around them: a step's length was "
                 "taken from its first copies, and training got the GPU in the pause before the graph. Most of what training lost was in kernels of 30 us, of which no more than 0.25 ms might be in flight beside a high domain that is armed: beside one that does next to nothing it kept 0.858 and 0.775 with that, 0.893 and 0.909 with 1 ms, 0.930 with 4 ms (`sharing_armed.json`: `run.py sharing=armed`).\n\n"
                 + table([(one["what"], f"{one['p99_ratio']:.2f}", f"{one['training_part_of_alone']:.3f}") for one in tried["runs"]], "executors and policy", "p99 of a token, to alone", "the training's speed, to alone"))
    if "timeslice" in results:
        text += slices(results["timeslice"], table)
    if tried := results.get("slices_tried"):
        rows = [(f"`{one['lines']}`" if one["lines"] else "default", *(f"{one[name]:.2f}" for name in ("p50_ratio", "p99_ratio", "hog_part_of_alone"))) for one in tried["runs"]]
        text += ("\nThe same under mediatord, when slices were new (`slices_tried.json`). Then a high domain's executor still changed the GPU to its context ahead of each step, also while such a kernel was there, whose slice began anew by that.\n\n"
                 + table(rows, "terms", "step's p50, to alone", "p99, to alone", "the hog's speed, to alone"))
    return text
