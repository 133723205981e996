package sched

import (
	"slices"
	"time"
)

// Span is a stretch of time.
type Span struct {
	Start, End Time
}

// Sample is what one executor says of itself since it was last asked.
type Sample struct {
	// Busy is when its work was on the GPU, in order and without overlaps.
	Busy    []Span
	Active  bool
	Waiting bool
	Arrived Time
	Flying  bool // work is on the GPU and not done
}

// Merge makes the reports of domains from the samples of their executors. Where
// several executors were busy at once, each is taken to have had an equal part of
// the GPU, as the hardware's slices give it.
func Merge(domains [][]Sample) []Report {
	type edge struct {
		at     Time
		domain int
		step   int // 1: begins, -1: ends
	}
	var edges []edge
	reports := make([]Report, len(domains))
	for i, executors := range domains {
		r := &reports[i]
		for _, e := range executors {
			for _, b := range e.Busy {
				edges = append(edges, edge{b.Start, i, 1}, edge{b.End, i, -1})
			}
			if e.Active && (!r.Active || e.Arrived < r.Arrived) {
				r.Arrived = e.Arrived // the domain came with the first of them
			}
			r.Flying = r.Flying || e.Flying
			r.Active = r.Active || e.Active
			r.Waiting = r.Waiting || e.Waiting
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return int(a.at - b.at) })
	busy := make([]int, len(domains))
	var all int
	var last Time
	for _, e := range edges {
		if all > 0 && e.at > last {
			for i, own := range busy {
				reports[i].Used += time.Duration(int64(e.at-last) * int64(own) / int64(all))
			}
		}
		last = e.at
		busy[e.domain] += e.step
		all += e.step
	}
	return reports
}
