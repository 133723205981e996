package mediator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// guestProcess is channel's process, ready and idle for seconds.
func guestProcess(channel, seconds int, bytes uint64, change ...func(*reconcile.ChannelStatus)) reconcile.ChannelStatus {
	s := reconcile.ChannelStatus{Channel: channel, State: "ready", Idle: time.Duration(seconds) * time.Second, MemoryUsed: bytes}
	for _, f := range change {
		f(&s)
	}
	return s
}

func domainOf(number byte, p vgpuxml.Priority, processes ...reconcile.ChannelStatus) resident {
	return resident{slot: window.UUID{number}, priority: p, processes: processes}
}

// parkingContexts is a domain of a pool that parks contexts.
func parkingContexts(r resident) resident {
	r.contexts = true
	return r
}

// named are candidates as "domain/channel".
func named(list []candidate) (names []string) {
	for _, c := range list {
		names = append(names, fmt.Sprintf("%d/%d", c.slot[0], c.channel))
	}
	return names
}

func TestWhoMakesRoomFirst(t *testing.T) {
	const gib = 1 << 30
	nobody := tenant{slot: window.UUID{0xff}}
	for _, test := range []struct {
		name      string
		who       tenant
		residents []resident
		want      []string
	}{
		{"nobody is there", nobody, nil, nil},
		{"the longest idle", nobody, []resident{
			domainOf(1, vgpuxml.PriorityNormal, guestProcess(0, 5, gib), guestProcess(1, 500, gib)),
			domainOf(2, vgpuxml.PriorityNormal, guestProcess(0, 50, gib)),
		}, []string{"1/1", "2/0", "1/0"}},
		{"lower classes before the longer idle", nobody, []resident{
			domainOf(1, vgpuxml.PriorityHigh, guestProcess(0, 9000, gib)),
			domainOf(2, vgpuxml.PriorityNormal, guestProcess(0, 900, gib)),
			domainOf(3, vgpuxml.PriorityLow, guestProcess(0, 2, gib), guestProcess(1, 3, gib)),
		}, []string{"3/1", "3/0", "2/0", "1/0"}},
		{"the larger of two", nobody, []resident{
			domainOf(1, vgpuxml.PriorityLow, guestProcess(0, 60, gib), guestProcess(1, 60, 4*gib)),
			domainOf(2, vgpuxml.PriorityLow, guestProcess(0, 60, 2*gib)),
		}, []string{"1/1", "2/0", "1/0"}},
		{"not who works", nobody, []resident{
			domainOf(1, vgpuxml.PriorityLow, guestProcess(0, 0, gib), guestProcess(1, 1, gib)),
		}, []string{"1/1"}},
		{"not who asks, but others of its domain", tenant{window.UUID{1}, 0}, []resident{
			domainOf(1, vgpuxml.PriorityNormal, guestProcess(0, 60, gib), guestProcess(1, 60, gib)),
			domainOf(2, vgpuxml.PriorityNormal, guestProcess(0, 30, gib)),
		}, []string{"1/1", "2/0"}},
		{"not who is parked, has nothing, starts or failed", nobody, []resident{
			domainOf(1, vgpuxml.PriorityNormal,
				guestProcess(0, 60, gib, func(s *reconcile.ChannelStatus) { s.Parked = gib / 2 }),
				guestProcess(1, 60, 0),
				guestProcess(2, 60, gib, func(s *reconcile.ChannelStatus) { s.State = "starting" }),
				guestProcess(3, 60, gib, func(s *reconcile.ChannelStatus) { s.State = "failed" }),
				guestProcess(4, 60, gib)),
		}, []string{"1/4"}},
	} {
		if got := named(candidates(test.residents, test.who, false)); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestWhoseContextMakesRoomFirst(t *testing.T) {
	const gib = 1 << 30
	parked := func(s *reconcile.ChannelStatus) { s.Parked = s.MemoryUsed - gib/2 }
	for _, test := range []struct {
		name      string
		who       tenant
		residents []resident
		want      []string
	}{
		{"only where contexts are parked", tenant{}, []resident{
			domainOf(1, vgpuxml.PriorityLow, guestProcess(0, 500, gib, parked)),
			parkingContexts(domainOf(2, vgpuxml.PriorityHigh, guestProcess(0, 5, gib, parked))),
		}, []string{"2/0"}},
		{"in the order of memory", tenant{}, []resident{
			parkingContexts(domainOf(1, vgpuxml.PriorityHigh, guestProcess(0, 9000, gib, parked))),
			parkingContexts(domainOf(2, vgpuxml.PriorityLow, guestProcess(0, 2, gib, parked), guestProcess(1, 60, gib, parked), guestProcess(2, 60, 4*gib))),
			parkingContexts(domainOf(3, vgpuxml.PriorityNormal, guestProcess(0, 900, gib))),
		}, []string{"2/2", "2/1", "2/0", "3/0", "1/0"}},
		{"not who works, asks, is away already, or has nothing on the GPU", tenant{window.UUID{1}, 1}, []resident{
			parkingContexts(domainOf(1, vgpuxml.PriorityNormal,
				guestProcess(0, 0, gib, parked), guestProcess(1, 60, gib, parked),
				guestProcess(2, 60, gib, parked, func(s *reconcile.ChannelStatus) { s.ContextParked = true }),
				guestProcess(3, 60, gib, func(s *reconcile.ChannelStatus) { s.Parked = gib }),
				guestProcess(4, 60, gib, parked, func(s *reconcile.ChannelStatus) { s.State = "failed" }),
				guestProcess(5, 60, gib, parked))),
		}, []string{"1/5"}},
	} {
		list := candidates(test.residents, test.who, true)
		if got := named(list); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		for _, c := range list {
			if c.channel == 0 && c.slot[0] == 1 && c.bytes != gib/2 {
				t.Errorf("%s: it has %d bytes on the GPU", test.name, c.bytes)
			}
		}
	}
}

func TestOnlyAsMuchRoomAsNeeded(t *testing.T) {
	list := candidates([]resident{domainOf(1, vgpuxml.PriorityLow,
		guestProcess(0, 400, 10), guestProcess(1, 300, 10), guestProcess(2, 200, 10), guestProcess(3, 100, 10))}, tenant{}, false)
	for _, test := range []struct {
		name   string
		bytes  uint64
		leaves []uint64 // by channel
		asked  []int
		freed  uint64
	}{
		{"one is enough", 5, []uint64{5, 5, 5, 5}, []int{0}, 5},
		{"what was parked counts, not what was held", 9, []uint64{4, 4, 4, 4}, []int{0, 1, 2}, 12},
		{"who refuses is passed over", 5, []uint64{0, 0, 7, 7}, []int{0, 1, 2}, 7},
		{"all are not enough", 50, []uint64{1, 0, 1, 1}, []int{0, 1, 2, 3}, 3},
		{"nobody leaves", 1, []uint64{0, 0, 0, 0}, []int{0, 1, 2, 3}, 0},
	} {
		var asked []int
		freed := vacate(t.Context(), list, test.bytes, func(_ context.Context, who candidate) uint64 {
			asked = append(asked, who.channel)
			return test.leaves[who.channel]
		})
		if !slices.Equal(asked, test.asked) || freed != test.freed {
			t.Errorf("%s: asked %v, freed %d; want %v and %d", test.name, asked, freed, test.asked, test.freed)
		}
	}
	vacate(t.Context(), list, 5, func(within context.Context, _ candidate) uint64 {
		if _, bounded := within.Deadline(); !bounded {
			t.Error("one that does not answer is waited for without end")
		}
		return 5
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if vacate(ctx, list, 5, func(context.Context, candidate) uint64 { return 5 }) != 0 {
		t.Error("somebody was parked after the time was over")
	}
}
