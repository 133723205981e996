package window

import (
	"math"
	"testing"
)

func TestStatisticsAreOneChannels(t *testing.T) {
	a := testAccount(t, 0)
	if err := a.Reserve(5, 100); err != nil {
		t.Fatal(err)
	}
	want := Statistics{Calls: 1, Waits: 2, Launches: 3, GraphLaunches: 4, BytesIn: 5, BytesOut: 6, BytesWithin: 7, GPUTime: 8}
	a.SetStatistics(5, want)
	a.SetStatistics(MaxChannels-1, Statistics{Calls: 9, BytesWithin: math.MaxUint64})
	if got := a.Statistics(5); got != want {
		t.Errorf("read %+v", got)
	}
	if got := a.Statistics(4); got != (Statistics{}) {
		t.Errorf("the neighbour reads %+v", got)
	}
	a.Clear(5)
	if got := a.Statistics(5); got != (Statistics{}) || a.Total() != 0 {
		t.Errorf("after the executor's end %+v, %d bytes", got, a.Total())
	}
	if got := a.Statistics(MaxChannels - 1); got.Calls != 9 {
		t.Errorf("the last channel reads %+v", got)
	}
}

func TestStatisticsOfALiar(t *testing.T) {
	largest := Statistics{Calls: math.MaxUint64}
	if sum := largest.Add(Statistics{Calls: 2, Launches: 3}); sum.Calls != math.MaxUint64 || sum.Launches != 3 {
		t.Errorf("the sum is %+v", sum)
	}
	back := Statistics{Calls: 5, Launches: 7}.Since(Statistics{Calls: 6, Launches: 5})
	if back != (Statistics{Launches: 2}) {
		t.Errorf("the difference is %+v", back)
	}
}

func TestQueuedBelievesNobody(t *testing.T) {
	w, err := Create("queued", 64<<20, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, c := range []struct{ head, tail, want uint64 }{
		{0, 0, 0}, {128, 640, 512}, {640, 128, 0}, {0, math.MaxUint64, RingSize}, {math.MaxUint64 - 63, math.MaxUint64, 63},
	} {
		w.double(w.ChannelOffset(2) + ChHead).Store(c.head)
		w.double(w.ChannelOffset(2) + ChTail).Store(c.tail)
		if got := w.Queued(2); got != c.want {
			t.Errorf("head %d, tail %d: %d bytes", c.head, c.tail, got)
		}
	}
}
