package main

import (
	"fmt"
	"slices"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
	"libvirt-vgpu/mediatord/internal/sched/simulate"
)

const ms, us = time.Millisecond, time.Microsecond

func settings(class sched.Class, weight int) sched.Settings {
	return sched.Settings{Pool: "gold", PoolWeight: 100, Weight: weight, Class: class}
}

func seconds(d time.Duration) float64 { return d.Seconds() }

// shares draws the part of the GPU that domains get while others come and go.
func shares() string {
	tenants := []*simulate.Tenant{
		{Settings: settings(sched.Normal, 300), Program: simulate.Hog{Length: 300 * us, Depth: 8}},
		{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: 700 * us, Depth: 8}, Processes: 8, Start: time.Second},
		{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: 100 * us, Depth: 16}, Start: 3 * time.Second, End: 6 * time.Second},
		{Settings: settings(sched.High, 100), Program: simulate.Paced{Every: 10 * ms, Kernels: 20, Length: 100 * us, Jitter: 60 * us}, Start: 7 * time.Second},
	}
	names := []string{"weight 300", "weight 100, 8 processes", "weight 100, from 3 to 6 s", "high, 2 of 10 ms"}
	s := simulate.New(sched.Defaults(), simulate.H200(), 1, tenants...)
	c := chart{title: "Shares of one GPU", x: "seconds", y: "part of the GPU", highest: 1}
	before := make([]time.Duration, len(tenants))
	c.lines = make([]line, len(tenants))
	const step = 100 * ms
	for at := step; at <= 10*time.Second; at += step {
		s.Run(at)
		for i, t := range tenants {
			got := t.GPUTime()
			c.lines[i].name = names[i]
			c.lines[i].points = append(c.lines[i].points, [2]float64{seconds(at), float64(got-before[i]) / float64(step)})
			before[i] = got
		}
	}
	return c.svg()
}

// latencies draws the steps of a high domain before, beside and after a hog.
func latencies() string {
	c := chart{title: "A high domain's steps of 1 ms every 3 ms, beside a low hog from 1 s to 3 s", x: "seconds", y: "milliseconds (logarithmic)", logarithmic: true, lowest: .5, highest: 8}
	for _, kernel := range []time.Duration{5 * ms, ms, 200 * us} {
		high := &simulate.Tenant{Settings: settings(sched.High, 100), Program: simulate.Paced{Every: 3 * ms, Kernels: 20, Length: 50 * us, Jitter: 60 * us}}
		low := &simulate.Tenant{Settings: settings(sched.Low, 100), Program: simulate.Hog{Length: kernel, Depth: 8}, Start: time.Second, End: 3 * time.Second}
		s := simulate.New(sched.Defaults(), simulate.H200(), 1, high, low)
		l := line{name: fmt.Sprintf("kernels of %v", kernel), dots: true}
		seen := 0
		for at := 3 * ms; at <= 4*time.Second; at += 3 * ms {
			s.Run(at)
			for ; seen < len(high.Latencies); seen++ {
				l.points = append(l.points, [2]float64{seconds(at), float64(high.Latencies[seen]) / float64(ms)})
			}
		}
		c.lines = append(c.lines, l)
	}
	return c.svg()
}

// domains draws what many equal domains get, and how long each waits.
func domains() string {
	c := chart{title: "1 to 100 equal domains that always have work", x: "domains", y: "", logarithmic: true, lowest: .1, highest: 1000}
	var busy, wait, jain line
	busy.name, wait.name, jain.name = "GPU busy, percent", "longest wait, ms", "Jain index, percent"
	for _, count := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 100} {
		var tenants []*simulate.Tenant
		for i := range count {
			tenants = append(tenants, &simulate.Tenant{Settings: settings(sched.Normal, 100), Program: simulate.Hog{Length: time.Duration(100+20*(i%10)) * us, Depth: 8}})
		}
		s := simulate.New(sched.Defaults(), simulate.H200(), 1, tenants...)
		length := 5*time.Second + time.Duration(count)*50*ms
		s.Run(length)
		var gaps []time.Duration
		var sum, squares float64
		for _, t := range tenants {
			got := seconds(t.GPUTime())
			gaps, sum, squares = append(gaps, t.Gap), sum+got, squares+got*got
		}
		x := float64(count)
		busy.points = append(busy.points, [2]float64{x, 100 * seconds(s.Busy()) / seconds(length)})
		wait.points = append(wait.points, [2]float64{x, float64(slices.Max(gaps)) / float64(ms)})
		jain.points = append(jain.points, [2]float64{x, 100 * sum * sum / (x * squares)})
	}
	c.lines = []line{busy, wait, jain}
	return c.svg()
}
