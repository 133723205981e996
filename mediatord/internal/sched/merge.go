package sched

import (
	"cmp"
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
	Flying  bool // work is on the GPU and not done
	Arrived Time
	// Slice is for how long the hardware lets it have the GPU at a time; 0: as its driver does.
	Slice time.Duration
}

// usualSlice is NVIDIA's driver's, for kernels.
const usualSlice = 2048 * time.Microsecond

// weight is what the hardware gives it beside others, in terms of their weights.
func (s *Sample) weight() float64 {
	if s.Slice > 0 {
		return float64(s.Slice)
	}
	return float64(usualSlice)
}

// Merge makes the reports of domains from the samples of their executors, and
// says what each executor used. Where several were busy at once, they are taken to
// have had the GPU in turns as long as their slices.
func Merge(domains [][]Sample) (reports []Report, used [][]time.Duration) {
	type edge struct {
		at               Time
		domain, executor int
		begins           bool
	}
	var edges []edge
	reports, used = make([]Report, len(domains)), make([][]time.Duration, len(domains))
	for i, executors := range domains {
		used[i] = make([]time.Duration, len(executors))
		r := &reports[i]
		for j, e := range executors {
			for _, b := range e.Busy {
				edges = append(edges, edge{b.Start, i, j, true}, edge{b.End, i, j, false})
			}
			if e.Active && (!r.Active || e.Arrived < r.Arrived) {
				r.Arrived = e.Arrived // the domain came with the first of them
			}
			r.Flying = r.Flying || e.Flying
			r.Active = r.Active || e.Active
			r.Waiting = r.Waiting || e.Waiting
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	var busy []edge // those that have begun and not ended
	var last Time
	count, since := make([]int, len(domains)), make([]Time, len(domains)) // of a domain's executors with work, from when on
	for _, e := range edges {
		weights := 0.
		for _, b := range busy {
			weights += domains[b.domain][b.executor].weight()
		}
		for _, b := range busy {
			part := time.Duration(float64(e.at-last) * domains[b.domain][b.executor].weight() / weights)
			used[b.domain][b.executor] += part
			reports[b.domain].Used += part
		}
		if slices.ContainsFunc(busy, func(b edge) bool { return b.domain != busy[0].domain }) {
			for i := range count {
				if count[i] > 0 {
					reports[i].Shared += e.at - last
				}
			}
		}
		last = e.at
		if e.begins {
			if busy = append(busy, e); count[e.domain] == 0 {
				since[e.domain] = e.at
			}
			count[e.domain]++
			continue
		}
		if count[e.domain]--; count[e.domain] == 0 {
			r := &reports[e.domain]
			r.Busy = append(r.Busy, Span{since[e.domain], e.at})
		}
		busy = slices.DeleteFunc(busy, func(b edge) bool { return b.domain == e.domain && b.executor == e.executor })
	}
	return reports, used
}
