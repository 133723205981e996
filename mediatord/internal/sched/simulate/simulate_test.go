package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

const ms, us = time.Millisecond, time.Microsecond

func settings(class sched.Class, weight int) sched.Settings {
	return sched.Settings{Pool: "gold", PoolWeight: 100, Weight: weight, Class: class}
}

func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return sorted[int(q*float64(len(sorted)-1))]
}

// describe is what a failed test should say.
func describe(s *Simulation) string {
	line := fmt.Sprintf("busy %v of %v, unused %v, %d decisions", s.Busy(), s.now, s.Unused(), s.Decisions())
	for i, x := range s.Tenants {
		line += fmt.Sprintf("\n%d: class %d weight %d, %d processes, %+v: %.2f%%, charged %.2f%%, p50 %v, p99 %v, gap %v", i, x.Settings.Class, x.Settings.Weight,
			max(x.Processes, 1), x.Program, 100*float64(x.GPUTime())/float64(s.now), 100*float64(x.Charged)/float64(s.now), quantile(x.Latencies, .5), quantile(x.Latencies, .99), x.Gap)
	}
	return line
}

func share(x *Tenant, of []*Tenant) float64 {
	var sum time.Duration
	for _, o := range of {
		sum += o.GPUTime()
	}
	return float64(x.GPUTime()) / float64(sum)
}

func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }

// each runs f with many seeds.
func each(t *testing.T, seeds int, f func(t *testing.T, seed uint64, r *rand.Rand) (s *Simulation, bad string)) {
	t.Helper()
	for seed := range uint64(seeds) {
		if s, bad := f(t, seed, rand.New(rand.NewPCG(seed, 7))); bad != "" {
			t.Fatalf("seed %d: %s\n%s", seed, bad, describe(s))
		}
	}
}

// hog is a random program that always has work, of kernels up to longest.
func hog(r *rand.Rand, longest time.Duration) Hog {
	return Hog{Length: 20*us + time.Duration(r.Int64N(int64(longest))), Depth: between(r, 2, 16)}
}

// A domain pays for the switches between its own processes, so it gets less done.
func TestSharesFollowWeights(t *testing.T) {
	each(t, 150, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		var tenants []*Tenant
		sum := 0
		for range between(r, 2, 6) {
			weight := between(r, 50, 400)
			sum += weight
			tenants = append(tenants, &Tenant{Settings: settings(sched.Normal, weight), Program: hog(r, ms), Processes: between(r, 1, 4)})
		}
		o := sched.Defaults()
		s := New(o, H200(), seed, tenants...)
		s.Errors = .3
		s.Run(4 * time.Second)
		var all time.Duration
		for _, x := range tenants {
			all += x.Charged
		}
		for _, x := range tenants {
			want := float64(x.Settings.Weight) / float64(sum)
			charged := float64(x.Charged)/float64(all) - want
			if got := share(x, tenants) - want; got > .05 || got < -.05 || charged > .01 || charged < -.01 {
				return s, fmt.Sprintf("share of weight %d of %d is off by %.4f, what is charged by %.4f", x.Settings.Weight, sum, got, charged)
			}
		}
		return s, ""
	})
}

func TestThreeToOne(t *testing.T) {
	each(t, 100, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		tenants := []*Tenant{
			{Settings: settings(sched.Normal, 300), Program: hog(r, ms)},
			{Settings: settings(sched.Normal, 100), Program: hog(r, ms)},
		}
		s := New(sched.Defaults(), H200(), seed, tenants...)
		s.Run(4 * time.Second)
		if got := share(tenants[0], tenants); got < .74 || got > .76 {
			return s, fmt.Sprintf("share is %.4f", got)
		}
		return s, ""
	})
}

func TestWeightsOfPools(t *testing.T) {
	of := func(pool string, weight, own int) sched.Settings {
		return sched.Settings{Pool: pool, PoolWeight: weight, Weight: own, Class: sched.Normal}
	}
	tenants := []*Tenant{
		{Settings: of("gold", 300, 100), Program: Hog{300 * us, 8}},
		{Settings: of("gold", 300, 200), Program: Hog{500 * us, 8}},
		{Settings: of("lead", 100, 400), Program: Hog{200 * us, 8}},
	}
	s := New(sched.Defaults(), H200(), 1, tenants...)
	s.Run(5 * time.Second)
	for i, want := range []float64{.25, .5, .25} {
		if got := share(tenants[i], tenants); got < want-.015 || got > want+.015 {
			t.Errorf("share %d is %.4f, want %.2f\n%s", i, got, want, describe(s))
		}
	}
}

func TestProcessesGainNothing(t *testing.T) {
	each(t, 100, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		length := 50*us + time.Duration(r.IntN(int(ms)))
		one := &Tenant{Settings: settings(sched.Normal, 100), Program: Hog{length, 8}}
		many := &Tenant{Settings: settings(sched.Normal, 100), Program: Hog{length, 8}, Processes: between(r, 2, 16)}
		s := New(sched.Defaults(), H200(), seed, one, many)
		s.Run(4 * time.Second)
		// The switches between its processes are charged to it, so it gets less
		// work done; what one loses besides is waiting for sixteen to finish.
		charged := float64(many.Charged) / float64(one.Charged+many.Charged)
		if got := share(many, s.Tenants); got > .53 || charged > .505 {
			return s, fmt.Sprintf("%d processes get %.4f, charged %.4f", many.Processes, got, charged)
		}
		return s, ""
	})
}

// Two that always have work are never further apart than a few turns, whatever
// part of the run one looks at.
func TestLagIsBounded(t *testing.T) {
	each(t, 100, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		a := &Tenant{Settings: settings(sched.Normal, 100), Program: hog(r, 2*ms)}
		b := &Tenant{Settings: settings(sched.Normal, 100), Program: hog(r, 2*ms)}
		o := sched.Defaults()
		s := New(o, H200(), seed, a, b)
		bound := 4*o.Turn + 2*o.Budget
		for at := 10 * ms; at < time.Second; at += 10 * ms {
			s.Run(at)
			if lag := (a.GPUTime() - b.GPUTime()).Abs(); lag > bound {
				return s, fmt.Sprintf("lag is %v, bound %v", lag, bound)
			}
		}
		return s, ""
	})
}

// Whoever comes back after idling gets its share from then on and nothing for the past.
func TestIdlingSavesNothingUp(t *testing.T) {
	each(t, 50, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		steady := &Tenant{Settings: settings(sched.Normal, 100), Program: hog(r, ms)}
		late := &Tenant{Settings: settings(sched.Normal, 100), Program: hog(r, ms), Start: 2 * time.Second}
		s := New(sched.Defaults(), H200(), seed, steady, late)
		s.Run(2 * time.Second)
		before := steady.GPUTime()
		s.Run(2200 * ms)
		if got := steady.GPUTime() - before; got < 80*ms {
			return s, fmt.Sprintf("the one that was there got %v of 200 ms", got)
		}
		return s, ""
	})
}

// random is a tenant of any class and kind.
func random(r *rand.Rand) *Tenant {
	x := &Tenant{
		Settings:  sched.Settings{Pool: []string{"gold", "lead"}[r.IntN(2)], PoolWeight: 100, Weight: between(r, 50, 400), Class: sched.Class(r.IntN(3))},
		Processes: between(r, 1, 3),
		Start:     time.Duration(r.IntN(int(100 * ms))),
	}
	switch r.IntN(3) {
	case 0:
		x.Program = hog(r, 3*ms)
	case 1:
		x.Program = Paced{Every: time.Duration(between(r, 2, 30)) * ms, Kernels: between(r, 1, 20), Length: time.Duration(between(r, 5, 100)) * us, Jitter: 60 * us}
	case 2:
		x.Program = Thinking{Kernels: between(r, 1, 40), Length: time.Duration(between(r, 5, 500)) * us, Pause: time.Duration(between(r, 10, 10000)) * us}
	}
	return x
}

func TestNobodyStarves(t *testing.T) {
	each(t, 300, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		var tenants []*Tenant
		for range between(r, 2, 8) {
			tenants = append(tenants, random(r))
		}
		o := sched.Defaults()
		o.Patience = 50 * ms
		s := New(o, H200(), seed, tenants...)
		s.Errors = .3
		s.Run(time.Second)
		// Lower classes wait twice Patience for each other; within a class
		// everybody has a turn in between.
		bound := time.Duration(len(tenants)) * (2*o.Patience + 2*o.Turn + 10*ms)
		for i, x := range tenants {
			if gap := max(x.Gap, x.Waited(s.now)); gap > bound {
				return s, fmt.Sprintf("tenant %d got nothing for %v, bound %v", i, gap, bound)
			}
		}
		return s, ""
	})
}

// Without a high domain the GPU stands still only for as long as a doorbell takes.
func TestWorkIsConserved(t *testing.T) {
	each(t, 1000, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		var tenants []*Tenant
		for range between(r, 1, 8) {
			x := random(r)
			x.Settings.Class = sched.Class(r.IntN(2))
			tenants = append(tenants, x)
		}
		s := New(sched.Defaults(), H200(), seed, tenants...)
		s.Errors = .3
		s.Run(500 * ms)
		if s.Unused() > time.Duration(s.Decisions())*100*us || s.Unused() > 60*ms {
			return s, fmt.Sprintf("the GPU stood still for %v although there was work", s.Unused())
		}
		return s, ""
	})
}

func TestDeadMediator(t *testing.T) {
	each(t, 150, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		var tenants []*Tenant
		for range between(r, 2, 6) {
			tenants = append(tenants, random(r))
		}
		s := New(sched.Defaults(), H200(), seed, tenants...)
		s.Dies = time.Duration(between(r, 200, 500)) * ms
		s.Run(s.Dies + 2*Lifetime)
		for _, x := range tenants {
			x.Gap, x.progress = 0, s.now
		}
		unused := s.Unused()
		s.Run(s.Dies + 2*Lifetime + time.Second)
		var processes int
		for _, x := range tenants {
			processes += x.Processes
		}
		for i, x := range tenants {
			bound := time.Duration(processes) * 2 * (H200().Slice + 4*ms)
			if s.policy.Slice(x.domain) > 0 { // it has shorter turns than those of higher classes
				bound *= H200().Slice / sched.Defaults().Slice
			}
			if gap := max(x.Gap, x.Waited(s.now)); gap > bound {
				return s, fmt.Sprintf("tenant %d got nothing for %v after mediatord's death, bound %v", i, gap, bound)
			}
		}
		if stood := s.Unused() - unused; stood > 50*ms {
			return s, fmt.Sprintf("the GPU stood still for %v", stood)
		}
		return s, ""
	})
}

// stepper does steps of 20 kernels of 50 us every 3 ms, on the timers of an H200's host.
func stepper() *Tenant {
	return &Tenant{Settings: settings(sched.High, 100), Program: Paced{Every: 3 * ms, Kernels: 20, Length: 50 * us, Timer: H200Timer()}}
}

// beside runs a high tenant beside a low one that nobody else is beside, as long as
// tests/device does; the p99 of its steps to that of steps alone, when both have been learnt,
// and the low one's part of the GPU.
func beside(o sched.Options, seed uint64, high, low *Tenant) (s *Simulation, p99, kept float64) {
	const learnt, end = 500 * ms, 2500 * ms
	alone := *high
	New(o, H200(), seed, &alone).Run(end)
	s = New(o, H200(), seed, high, low)
	s.Errors = .05
	s.Run(learnt)
	seen, before := len(high.Latencies), low.GPUTime()
	s.Run(end)
	p99 = float64(quantile(high.Latencies[seen:], .99)) / float64(quantile(alone.Latencies[len(alone.Latencies)/5:], .99))
	return s, p99, float64(low.GPUTime()-before) / float64(end-learnt)
}

// What domains beside a hog are promised, on a host that wakes late now and then, from the
// beginning on. Medians of many runs, and the worst.
func TestHighBesideHog(t *testing.T) {
	const runs = 5
	for _, tc := range []struct {
		kernel           time.Duration
		name             string
		change           func(*sched.Options)
		p99, worst, kept float64 // to alone at most, the low one's part at least
	}{
		{200 * us, "default", nil, 1.2, 1.5, .42},
		{ms, "default", nil, 1.2, 1.5, .32},
		{5 * ms, "default", nil, 1.4, 1.5, .07}, // fits in no gap: has its least; short slices bound what it costs
		{5 * ms, "usual slices", func(o *sched.Options) { o.Slice = 0 }, 2, 2.5, .07},
		{5 * ms, "as much as fits", func(o *sched.Options) { o.Least = 1 }, 1.4, 1.5, .35},
		{200 * us, "not ahead", func(o *sched.Options) { o.Ahead = false }, 1.2, 1.7, .42}, // pays for one switch between contexts
		{ms, "not ahead", func(o *sched.Options) { o.Ahead = false }, 1.2, 1.7, .32},
		{5 * ms, "no least", func(o *sched.Options) { o.Least = 0 }, 1.3, 1.5, .003},
		{ms, "delay", func(o *sched.Options) { o.Delay = .4 }, 1.75, 2.1, .42},
		{200 * us, "unpredicted", func(o *sched.Options) { o.Predict = false }, 1.4, 1.5, .49},
		{ms, "unpredicted", func(o *sched.Options) { o.Predict = false }, 1.4, 1.5, .5},
		{5 * ms, "unpredicted", func(o *sched.Options) { o.Predict = false }, 1.4, 1.5, .53},
		{5 * ms, "unpredicted, usual slices", func(o *sched.Options) { o.Predict, o.Slice = false, 0 }, 3.1, 3.3, .53},
	} {
		o := sched.Defaults()
		if tc.change != nil {
			tc.change(&o)
		}
		var all, parts []float64
		var last *Simulation
		for seed := range uint64(runs) {
			s, p99, kept := beside(o, seed, stepper(), &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: tc.kernel, Depth: 8}})
			all, parts, last = append(all, p99), append(parts, kept), s
		}
		slices.Sort(all)
		slices.Sort(parts)
		t.Logf("%v kernels, %s: p99 %.2f times alone, at most %.2f, hog has %.3f", tc.kernel, tc.name, all[runs/2], all[runs-1], parts[runs/2])
		if all[runs/2] > tc.p99 || all[runs-1] > tc.worst || parts[0] < tc.kept {
			t.Errorf("want %.2f, %.2f and %.3f, hog has at least %.3f\n%s", tc.p99, tc.worst, tc.kept, parts[0], describe(last))
		}
	}
}

// A low domain whose kernels are too long for the gaps keeps no other from them, and gets its
// least all the same.
func TestLongKernelsKeepNobodyFromGaps(t *testing.T) {
	long := &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: 5 * ms, Depth: 8}}
	short := &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: 200 * us, Depth: 8}}
	s := New(sched.Defaults(), H200(), 1, stepper(), long, short)
	s.Errors = .05
	s.Run(5 * time.Second)
	if a, b := long.GPUTime().Seconds()/5, short.GPUTime().Seconds()/5; a < .05 || b < .34 {
		t.Errorf("they have %.3f and %.3f of the GPU\n%s", a, b, describe(s))
	}
}

// Whatever steps and hogs are like, prediction makes no p99 worse.
func TestPredictionIsNeverWorse(t *testing.T) {
	each(t, 60, func(_ *testing.T, seed uint64, r *rand.Rand) (*Simulation, string) {
		every := time.Duration(between(r, 2000, 20000)) * us
		kernels := between(r, 1, 20)
		program := Paced{
			Every: every, Kernels: kernels, Length: time.Duration(float64(every) * (.1 + .4*r.Float64()) / float64(kernels)),
			Jitter: time.Duration(r.Int64N(int64(every / 4))), Timer: H200Timer(),
		}
		kernel := 50*us + time.Duration(r.Int64N(int64(6*ms)))
		o := sched.Defaults()
		o.Least = 0
		run := func() (*Simulation, float64) {
			s, p99, _ := beside(o, seed, &Tenant{Settings: settings(sched.High, 100), Program: program}, &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: kernel, Depth: 8}})
			return s, p99
		}
		_, with := run()
		o.Predict = false
		s, without := run()
		if with > without*1.1+.05 {
			return s, fmt.Sprintf("kernels of %v: p99 is %.2f times alone, without prediction %.2f", kernel, with, without)
		}
		return s, ""
	})
}

// A decoder of 50 tokens a second beside training hardly notices it, and training keeps nearly all that the tokens leave. Each
// token begins with short copies and a pause, as llama.cpp's do. Medians of many runs.
func TestDecoderBesideTraining(t *testing.T) {
	const runs = 9
	token := Paced{Every: 20 * ms, Lead: 90 * us, Pause: 110 * us, Kernels: 1, Length: 1110 * us, Timer: H200Timer()}
	for _, kernel := range []time.Duration{30 * us, 300 * us} {
		var all, parts []float64
		var last *Simulation
		for seed := range uint64(runs) {
			high := &Tenant{Settings: settings(sched.High, 100), Program: token}
			s, p99, kept := beside(sched.Defaults(), seed, high, &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: kernel, Depth: 64}})
			all, parts, last = append(all, p99), append(parts, kept), s
		}
		slices.Sort(all)
		slices.Sort(parts)
		t.Logf("%v kernels: p99 %.2f times alone; training has %.3f", kernel, all[runs/2], parts[runs/2])
		if all[runs/2] > 1.1 || parts[runs/2] < .86 {
			t.Errorf("want at most 1.1 and at least 0.86\n%s", describe(last))
		}
	}
}

// The simulated hardware is the measured one where only it shares: steps beside a hog take
// 3.39 ms on an H200, and two or four tenants together have 0.93 of its time.
func TestHardwareIsTheMeasuredOne(t *testing.T) {
	for _, kernel := range []time.Duration{200 * us, ms, 5 * ms} {
		high := &Tenant{Settings: settings(sched.High, 100), Program: Paced{Every: 3 * ms, Kernels: 20, Length: 50 * us, Timer: H200Timer()}}
		low := &Tenant{Settings: settings(sched.Low, 100), Program: Hog{Length: kernel, Depth: 8}}
		s := Unscheduled(H200(), 1, high, low)
		s.Run(2 * time.Second)
		if p50 := quantile(high.Latencies, .5); p50 < 3200*us || p50 > 3450*us {
			t.Errorf("beside kernels of %v a step takes %v", kernel, p50)
		}
		if hog := low.GPUTime().Seconds() / 2; hog < .58 || hog > .64 {
			t.Errorf("a hog of %v keeps %.3f", kernel, hog)
		}
	}
	for _, count := range []int{2, 4} {
		var tenants []*Tenant
		for range count {
			tenants = append(tenants, &Tenant{Settings: settings(sched.Normal, 100), Program: Hog{300 * us, 8}})
		}
		s := Unscheduled(H200(), 1, tenants...)
		s.Run(2 * time.Second)
		if busy := s.Busy().Seconds() / 2; busy < .915 || busy > .94 {
			t.Errorf("%d tenants have %.3f of the GPU", count, busy)
		}
	}
}

// The sum of equal tenants' work is not far from what one alone has done.
func TestEqualTenantsLoseLittle(t *testing.T) {
	for _, count := range []int{2, 4, 8, 32} {
		var tenants []*Tenant
		for range count {
			tenants = append(tenants, &Tenant{Settings: settings(sched.Normal, 100), Program: Hog{300 * us, 8}})
		}
		s := New(sched.Defaults(), H200(), 1, tenants...)
		s.Run(4 * time.Second)
		if busy := s.Busy().Seconds() / 4; busy < .975 {
			t.Errorf("%d tenants have %.4f of the GPU", count, busy)
		}
	}
}
