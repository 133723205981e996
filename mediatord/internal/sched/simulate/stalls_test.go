package simulate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// late counts the steps that took a quarter longer than the work in them, and the most in a row.
func late(steps []time.Duration, work time.Duration) (part float64, row int) {
	count, now := 0, 0
	for _, took := range steps {
		if took <= work*5/4 {
			now = 0
			continue
		}
		count++
		now++
		row = max(row, now)
	}
	return float64(count) / float64(len(steps)), row
}

// A host whose processors stall threads by 1 to 4 ms makes single steps late, and one or two after each, not many: while
// they are late because others are in their way, which are there because the steps are late, nothing is foretold.
func TestStallsAreForgotten(t *testing.T) {
	const learnt, end = 300 * ms, 3300 * ms
	hardware := H200()
	hardware.Stalls = .01 // of the beginnings of steps, and as many of their submissions
	for _, kernel := range []time.Duration{200 * us, ms, 5 * ms} {
		var parts, had float64
		longest := 0
		const runs = 6
		for seed := range uint64(runs) {
			high, low := stepper(), &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: kernel, Depth: 8}}
			s := New(sched.Defaults(), hardware, seed, high, low)
			s.Errors = .05
			s.Run(learnt)
			seen, before := len(high.Latencies), low.GPUTime()
			s.Run(end)
			got := (low.GPUTime() - before).Seconds() / (end - learnt).Seconds()
			part, row := late(high.Latencies[seen:], ms)
			parts, had, longest = parts+part/runs, had+got/runs, max(longest, row)
		}
		most := .04
		if kernel == 5*ms {
			most += 2.5 * had * 3 / 5 // each of these disturbs two or three steps of 3 ms
		}
		t.Logf("%v kernels: %.3f of the steps are late, at most %.3f; %d in a row; the hog has %.3f", kernel, parts, most, longest, had)
		if parts > most || longest > 6 {
			t.Errorf("%v kernels: %.3f of the steps are late, %d in a row", kernel, parts, longest)
		}
		if least := sched.Defaults().Least; kernel == 5*ms && (had < least*.7 || had > least*1.2) {
			t.Errorf("the low one has %.3f of the GPU, its least is %.3f", had, least)
		}
	}
}

// Whatever steps and kernels are like that do not fit into their gaps, with stalls or without: the rhythm is found and kept, so the low one has about its
// least, and no more steps are late than that and the stalls make late.
func TestLongKernelsHideNoRhythm(t *testing.T) {
	each(t, 60, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		every := time.Duration(between(r, 2000, 20000)) * us
		kernels := between(r, 5, 20)
		length := time.Duration(float64(every) * (.1 + .4*r.Float64()) / float64(kernels))
		kernel := every + time.Duration(r.Int64N(int64(every)))
		hardware := H200()
		hardware.Stalls = []float64{0, .005, .02}[r.IntN(3)]
		hardware.Slice = time.Duration(between(r, 1000, 3000)) * us
		high := &Tenant{Settings: settings(sched.High, 100), Program: Paced{Every: every, Kernels: kernels, Length: length, Timer: H200Timer()}}
		low := &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: kernel, Depth: 8}}
		s := New(sched.Defaults(), hardware, seed, high, low)
		s.Errors = .05
		s.Run(100 * every)
		seen, before := len(high.Latencies), low.GPUTime()
		s.Run(500 * every)
		got := float64(low.GPUTime()-before) / float64(400*every)
		part, row := late(high.Latencies[seen:], time.Duration(kernels)*length+100*us)
		if part > .2 || got > .13 || row > 15 {
			return s, fmt.Sprintf("%.3f of the steps are late, %d in a row; the low one has %.3f", part, row, got)
		}
		return s, ""
	})
}
