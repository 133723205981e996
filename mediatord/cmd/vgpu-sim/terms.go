package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
	"libvirt-vgpu/mediatord/internal/sched/simulate"
)

// variant is a pool's terms with some of them changed.
type variant struct {
	name   string
	change func(*sched.Options)
}

// terms are tables of what terms do: to four equal domains, and to a high domain's step beside a
// hog.
func terms() string {
	var b strings.Builder
	b.WriteString("Four equal domains that always have kernels of 0.3 ms: part of the GPU's time in which it works, and the longest wait.\n\n| terms | busy | wait, ms |\n|---|---|---|\n")
	for _, v := range []variant{
		{"default", func(*sched.Options) {}},
		{"run_set 2", func(o *sched.Options) { o.RunSet = 2 }},
		{"run_set 4", func(o *sched.Options) { o.RunSet = 4 }},
		{"turn 1 ms", func(o *sched.Options) { o.Turn = ms }},
		{"turn 2 ms", func(o *sched.Options) { o.Turn = 2 * ms }},
		{"turn 10 ms", func(o *sched.Options) { o.Turn = 10 * ms }},
		{"turn 20 ms", func(o *sched.Options) { o.Turn = 20 * ms }},
		{"budget 0.5 ms", func(o *sched.Options) { o.Budget = ms / 2 }},
		{"budget 1 ms", func(o *sched.Options) { o.Budget = ms }},
	} {
		o := sched.Defaults()
		v.change(&o)
		busy, wait := equals(simulate.New(o, simulate.H200(), 1, equal(4)...))
		fmt.Fprintf(&b, "| %s | %.3f | %.0f |\n", v.name, busy, milliseconds(wait))
	}
	busy, wait := equals(simulate.Unscheduled(simulate.H200(), 1, equal(4)...))
	fmt.Fprintf(&b, "| slices alone | %.3f | %.0f |\n", busy, milliseconds(wait))

	b.WriteString("\nA high domain's step of 1 ms every 3 ms beside a low domain that always has work: p50 and p99 of the step to alone, and the low one's part of the GPU, of which the steps leave 0.65; medians of nine runs.\n\n" +
		"| terms | kernels, ms | p50 | p99 | low |\n|---|---|---|---|---|\n")
	for _, v := range []variant{
		{"default", func(*sched.Options) {}},
		{"ahead false", func(o *sched.Options) { o.Ahead = false }},
		{"least 0", func(o *sched.Options) { o.Least = 0 }},
		{"least 0.3", func(o *sched.Options) { o.Least = .3 }},
		{"least 1", func(o *sched.Options) { o.Least = 1 }},
		{"slice 0s", func(o *sched.Options) { o.Slice = 0 }},
		{"slice 100us", func(o *sched.Options) { o.Slice = 100 * us }},
		{"slice 50us", func(o *sched.Options) { o.Slice = 50 * us }},
		{"leases false", func(o *sched.Options) { o.Unlimited = true }},
		{"leases false, slice 0s", func(o *sched.Options) { o.Unlimited, o.Slice = true, 0 }},
		{"delay 0.4", func(o *sched.Options) { o.Delay = .4 }},
		{"predict false", func(o *sched.Options) { o.Predict = false }},
		{"predict false, armed_budget 0.25 ms", func(o *sched.Options) { o.Predict, o.ArmedBudget = false, ms/4 }},
	} {
		for _, kernel := range []time.Duration{200 * us, ms, 5 * ms} {
			o := sched.Defaults()
			v.change(&o)
			var p50s, p99s, parts []float64
			for seed := range uint64(9) {
				p50, p99, kept := beside(o, simulate.H200(), seed, kernel, 2*time.Second)
				p50s, p99s, parts = append(p50s, p50), append(p99s, p99), append(parts, kept)
			}
			fmt.Fprintf(&b, "| %s | %g | %.2f | %.2f | %.2f |\n", v.name, milliseconds(kernel), median(p50s), median(p99s), median(parts))
		}
	}
	b.WriteString("\nThe same with kernels of 5 ms, which fit into no gap, over 30 s, also on a host that stalls one in two hundred beginnings of steps, and as many of their submissions, by 1 to 4 ms; medians of three runs.\n\n" +
		"| least | stalls | p50 | p99 | low |\n|---|---|---|---|---|\n")
	for _, stalls := range []float64{0, .005} {
		for _, least := range []float64{0, .005, .01, .02, .05, .1, .2} {
			o, hardware := sched.Defaults(), simulate.H200()
			o.Least, hardware.Stalls = least, stalls
			var p50s, p99s, parts []float64
			for seed := range uint64(3) {
				p50, p99, kept := beside(o, hardware, seed, 5*ms, 30*time.Second)
				p50s, p99s, parts = append(p50s, p50), append(p99s, p99), append(parts, kept)
			}
			fmt.Fprintf(&b, "| %g | %g | %.2f | %.2f | %.3f |\n", least, stalls, median(p50s), median(p99s), median(parts))
		}
	}
	return b.String()
}

// median sorts values.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// equal are domains that always have kernels of 0.3 ms.
func equal(count int) (tenants []*simulate.Tenant) {
	for range count {
		tenants = append(tenants, &simulate.Tenant{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: 300 * us, Depth: 8}})
	}
	return tenants
}

func equals(s *simulate.Simulation) (busy float64, wait time.Duration) {
	const length = 5 * time.Second
	s.Run(length)
	for _, t := range s.Tenants {
		wait = max(wait, t.Gap)
	}
	return seconds(s.Busy()) / seconds(length), wait
}

// beside returns p50 and p99 of a high domain's steps to alone, and the low one's part of the GPU, for a length of time
// after the rhythm and the durations have been learnt.
func beside(o sched.Options, hardware simulate.Hardware, seed uint64, kernel, length time.Duration) (p50, p99, kept float64) {
	const learnt = 500 * ms
	end := learnt + length
	run := func(more ...*simulate.Tenant) (steps []time.Duration) {
		high := &simulate.Tenant{Settings: settings(sched.High, 100), Program: simulate.Paced{Every: 3 * ms, Kernels: 20, Length: 50 * us, Timer: simulate.H200Timer()}}
		s := simulate.New(o, hardware, seed, append(more, high)...)
		s.Errors = .05
		s.Run(learnt)
		seen, before := len(high.Latencies), s.Tenants[0].GPUTime()
		s.Run(end)
		kept = seconds(s.Tenants[0].GPUTime()-before) / seconds(end-learnt)
		return high.Latencies[seen:]
	}
	alone := run()
	steps := run(&simulate.Tenant{Settings: settings(sched.Low, 100), Program: simulate.Hog{Length: kernel, Depth: 8}})
	return seconds(quantile(steps, .5)) / seconds(quantile(alone, .5)), seconds(quantile(steps, .99)) / seconds(quantile(alone, .99)), kept
}
