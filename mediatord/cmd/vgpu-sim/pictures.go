package main

import (
	"fmt"
	"slices"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
	"libvirt-vgpu/mediatord/internal/sched/simulate"
)

const ms, us = time.Millisecond, time.Microsecond

// counts are how many domains the pictures of many have.
var counts = []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 100}

func settings(class sched.Class, weight int) sched.Settings {
	return sched.Settings{Pool: "gold", PoolWeight: 100, Weight: weight, Class: class}
}

func seconds(d time.Duration) float64 { return d.Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(ms) }

func quantile(values []time.Duration, part float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(part*float64(len(sorted)-1))]
}

// shares draws the part of the GPU that domains get while others come and go.
func shares() string {
	tenants := []*simulate.Tenant{
		{Settings: settings(sched.Normal, 300), Program: simulate.Hog{Length: 300 * us, Depth: 8}},
		{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: 700 * us, Depth: 8}, Processes: 8, Start: time.Second},
		{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: 100 * us, Depth: 16}, Start: 3 * time.Second, End: 6 * time.Second},
		{Settings: settings(sched.High, 100), Program: simulate.Paced{Every: 10 * ms, Kernels: 20, Length: 100 * us, Timer: simulate.H200Timer()}, Start: 7 * time.Second},
	}
	names := []string{"weight 300", "weight 100, 8 processes, from 1 s", "weight 100, from 3 to 6 s", "high, 2 of every 10 ms, from 7 s"}
	s := simulate.New(sched.Defaults(), simulate.H200(), 1, tenants...)
	c := chart{
		title: "Shares of one GPU", note: "GPU time in the last half second; what is missing to 1 are switches between contexts",
		x: "seconds", y: "part of the GPU's time", highest: 1,
	}
	c.lines = make([]line, len(tenants))
	history := make([][]time.Duration, len(tenants))
	const step, window = 50 * ms, 10 // steps
	for at := step; at <= 10*time.Second; at += step {
		s.Run(at)
		for i, t := range tenants {
			history[i] = append(history[i], t.GPUTime())
			last := len(history[i]) - 1
			before, length := time.Duration(0), at
			if last >= window {
				before, length = history[i][last-window], window*step
			}
			c.lines[i].name = names[i]
			c.lines[i].points = append(c.lines[i].points, [2]float64{seconds(at), float64(t.GPUTime()-before) / float64(length)})
		}
	}
	return c.svg()
}

// latencies draws how long a high domain's steps take beside a hog: what part of them takes
// no longer than that.
func latencies() string {
	c := chart{
		title: "A high domain's steps of 1 ms every 3 ms, beside a low domain that always has work",
		note:  "what part of the steps takes no longer; the hog's part of the GPU is in brackets, the steps leave 0.65",
		x:     "percent of the steps", y: "milliseconds (logarithmic)", logarithmic: true, lowest: .8, highest: 5,
	}
	add := func(name string, length time.Duration, o *sched.Options) {
		high := &simulate.Tenant{Settings: settings(sched.High, 100), Program: simulate.Paced{Every: 3 * ms, Kernels: 20, Length: 50 * us, Timer: simulate.H200Timer()}}
		tenants := []*simulate.Tenant{high}
		var hog *simulate.Tenant
		if length > 0 {
			hog = &simulate.Tenant{Settings: settings(sched.Low, 100), Program: simulate.Hog{Length: length, Depth: 8}}
			tenants = append(tenants, hog)
		}
		s := simulate.Unscheduled(simulate.H200(), 1, tenants...)
		if o != nil {
			s = simulate.New(*o, simulate.H200(), 1, tenants...)
		}
		const learnt, end = 500 * ms, 6 * time.Second
		s.Run(learnt)
		seen, before := len(high.Latencies), time.Duration(0)
		if hog != nil {
			before = hog.GPUTime()
		}
		s.Run(end)
		if hog != nil {
			name += fmt.Sprintf(" (%.2f)", float64(hog.GPUTime()-before)/float64(end-learnt))
		}
		l := line{name: name}
		for percent := range 101 {
			l.points = append(l.points, [2]float64{float64(percent), milliseconds(quantile(high.Latencies[seen:], float64(percent)/100))})
		}
		c.lines = append(c.lines, l)
	}
	usual, unpredicted, delayed := sched.Defaults(), sched.Defaults(), sched.Defaults()
	unpredicted.Predict, delayed.Delay = false, .4
	add("time slices alone, 1 ms", ms, nil)
	add("without prediction, 1 ms", ms, &unpredicted)
	add("kernels of 1 ms, delay 0.4", ms, &delayed)
	add("kernels of 5 ms", 5*ms, &usual)
	behind := sched.Defaults()
	behind.Ahead = false
	add("kernels of 1 ms", ms, &usual)
	add("kernels of 1 ms, not ahead", ms, &behind)
	add("kernels of 0.2 ms", 200*us, &usual)
	add("alone", 0, &usual)
	return c.svg()
}

// hogs are domains that always have work, of kernels of different lengths.
func hogs(count int) (tenants []*simulate.Tenant) {
	for i := range count {
		tenants = append(tenants, &simulate.Tenant{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: time.Duration(100+20*(i%10)) * us, Depth: 8}})
	}
	return tenants
}

// domains draws how much of the GPU many equal domains get out of it, and how equally.
func domains() string {
	c := chart{
		title: "1 to 100 equal domains that always have work", note: "kernels of 0.1 to 0.28 ms; 100 is one that has the GPU for itself",
		x: "domains", y: "percent", lowest: 90, highest: 100,
	}
	c.lines = []line{{name: "Jain index of GPU time"}, {name: "GPU busy, with the scheduler"}, {name: "GPU busy, time slices alone"}}
	for _, count := range counts {
		length := 5*time.Second + time.Duration(count)*50*ms
		tenants := hogs(count)
		s := simulate.New(sched.Defaults(), simulate.H200(), 1, tenants...)
		s.Run(length)
		var sum, squares float64
		for _, t := range tenants {
			got := seconds(t.GPUTime())
			sum, squares = sum+got, squares+got*got
		}
		free := simulate.Unscheduled(simulate.H200(), 1, hogs(count)...)
		free.Run(length)
		for i, value := range []float64{sum * sum / (float64(count) * squares), seconds(s.Busy()) / seconds(length), seconds(free.Busy()) / seconds(length)} {
			c.lines[i].points = append(c.lines[i].points, [2]float64{float64(count), 100 * value})
		}
	}
	return c.svg()
}

// waits draws how long domains wait among many.
func waits() string {
	c := chart{
		title: "Waiting among 1 to 100 domains that always have work", note: "one more domain does 1 ms of work and pauses 50 ms on average; p99 of its latency, by its class",
		x: "domains", y: "milliseconds (logarithmic)", logarithmic: true, lowest: .5, highest: 2000,
	}
	classes := []sched.Class{sched.Normal, sched.High}
	c.lines = []line{{name: "longest wait of those with work"}, {name: "p99 of a normal one"}, {name: "p99 of a high one"}}
	for _, count := range counts {
		for i, class := range classes {
			tenants := hogs(count)
			thinking := &simulate.Tenant{Settings: settings(class, 100), Program: simulate.Thinking{Kernels: 20, Length: 50 * us, Pause: 50 * ms}}
			s := simulate.New(sched.Defaults(), simulate.H200(), 1, append(tenants, thinking)...)
			s.Run(5*time.Second + time.Duration(count)*50*ms)
			c.lines[1+i].points = append(c.lines[1+i].points, [2]float64{float64(count), milliseconds(quantile(thinking.Latencies, .99))})
			if class == sched.Normal {
				var longest time.Duration
				for _, t := range tenants {
					longest = max(longest, t.Gap)
				}
				c.lines[0].points = append(c.lines[0].points, [2]float64{float64(count), milliseconds(longest)})
			}
		}
	}
	return c.svg()
}
