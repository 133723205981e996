package main

import (
	"cmp"
	"slices"
	"time"
)

// sample is the status at one moment.
type sample struct {
	at time.Time
	status
}

// frame is what top shows of two samples; its JSON is top's interface for
// programs. Sizes are in bytes, rates per second.
type frame struct {
	Time    time.Time   `json:"time"`
	Seconds float64     `json:"seconds"` // that the rates are of
	Slots   int         `json:"slots"`   // of all pools
	Domains []topDomain `json:"domains"` // busiest first

	error string // why there is nothing newer
}

type topDomain struct {
	Name       string `json:"name"`
	UUID       string `json:"uuid"`
	Kind       string `json:"kind"`
	Pool       string `json:"pool"`
	Priority   string `json:"priority"`
	Weight     uint32 `json:"weight"`
	State      string `json:"state"`
	MemoryUsed uint64 `json:"memory_used"`
	Parked     uint64 `json:"memory_parked"`
	// ContextsParked is how many of its processes are not on the GPU at all.
	ContextsParked int    `json:"contexts_parked"`
	MemoryQuota    uint64 `json:"memory_quota"`
	Refused        uint64 `json:"refused_calls"`     // since the slot was made
	Expired        uint64 `json:"ended_by_watchdog"` // processes, since the slot was made
	usage
	Processes []topProcess `json:"processes"`
}

type topProcess struct {
	Channel    uint32 `json:"channel"`
	PID        uint32 `json:"pid"` // in the guest
	Command    string `json:"command"`
	State      string `json:"state"`
	MemoryUsed uint64 `json:"memory_used"`
	Parked     uint64 `json:"memory_parked"`
	// ContextParked: its contexts are parked too.
	ContextParked bool `json:"context_parked"`
	usage
}

// usage is what one interval shows.
type usage struct {
	Share    *float64 `json:"gpu_share"` // of one GPU's time, 0..1 for each GPU; null: not measured
	Queued   uint64   `json:"queued"`
	Calls    float64  `json:"calls"`
	Launches float64  `json:"launches"` // of kernels and graphs
	Copied   float64  `json:"copied"`   // bytes, in, out and within the device
}

// newFrame compares two samples; what came after the first counts from zero.
func newFrame(before, now sample) frame {
	f := frame{Time: now.at, Seconds: now.at.Sub(before.at).Seconds(), Domains: []topDomain{}}
	for _, p := range now.Pools {
		f.Slots += int(p.Slots)
	}
	earlier := map[string]slotStatus{}
	for _, s := range before.Slots {
		earlier[s.UUID] = s
	}
	for _, s := range now.Slots {
		f.Domains = append(f.Domains, f.domain(earlier[s.UUID], s))
	}
	slices.SortStableFunc(f.Domains, func(a, b topDomain) int { return a.busier(b.usage) })
	return f
}

func (f frame) domain(before, now slotStatus) topDomain {
	d := topDomain{
		Name: now.DomainName, UUID: now.UUID, Kind: now.Kind, Pool: now.Pool, Priority: now.Priority, Weight: now.Weight,
		State: now.State, MemoryUsed: now.MemoryUsed, MemoryQuota: now.MemoryQuota, ContextsParked: now.contextsParked(), Expired: now.ExecutorsExpired,
		usage: f.usage(before.activity, now.activity), Processes: []topProcess{},
	}
	for _, count := range now.RefusedCalls {
		d.Refused += count
	}
	for _, c := range now.Channels {
		d.Queued += c.Queued
		d.Parked += c.Parked
		p := topProcess{Channel: c.Channel, PID: c.PID, Command: c.Comm, State: c.state(), MemoryUsed: c.MemoryUsed, Parked: c.Parked, ContextParked: c.ContextParked}
		var earlier activity
		for _, b := range before.Channels {
			if b.Channel == c.Channel && b.ExecutorPID == c.ExecutorPID {
				earlier = b.activity
			}
		}
		p.usage = f.usage(earlier, c.activity)
		p.Queued = c.Queued
		d.Processes = append(d.Processes, p)
	}
	slices.SortStableFunc(d.Processes, func(a, b topProcess) int { return a.busier(b.usage) })
	return d
}

func (f frame) usage(before, now activity) usage {
	rate := func(names ...string) float64 {
		var sum uint64
		for _, name := range names {
			sum += now.Statistics[name] - min(now.Statistics[name], before.Statistics[name])
		}
		if f.Seconds <= 0 {
			return 0
		}
		return float64(sum) / f.Seconds
	}
	u := usage{Calls: rate("Calls"), Launches: rate("Launches", "GraphLaunches"), Copied: rate("BytesIn", "BytesOut", "BytesWithin")}
	if now.Statistics["GPUTime"] > 0 {
		share := rate("GPUTime") / 1e9
		u.Share = &share
	}
	return u
}

// busier orders by GPU time, then by calls.
func (u usage) busier(other usage) int {
	share := func(u usage) float64 {
		if u.Share == nil {
			return 0
		}
		return *u.Share
	}
	return cmp.Or(-cmp.Compare(share(u), share(other)), -cmp.Compare(u.Calls, other.Calls))
}
