package gpu_test

import (
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func newStream(t testing.TB, d *gpu.Device, nonBlocking bool) *gpu.Stream {
	t.Helper()
	s, err := d.NewStream(gpu.StreamFlags{NonBlocking: nonBlocking})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newEvent(t testing.TB, d *gpu.Device) *gpu.Event {
	t.Helper()
	e, err := d.NewEvent(true)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gate holds a stream until it is opened.
type gate chan struct{}

func hold(t testing.TB, s *gpu.Stream) gate {
	t.Helper()
	g := make(gate)
	must(t, s.HostFunc(func() { <-g }))
	return g
}

func TestStreamOrder(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	var order []int
	for i := range 100 {
		must(t, s.HostFunc(func() { order = append(order, i) }))
	}
	must(t, s.Synchronize())
	for i, v := range order {
		if i != v {
			t.Fatalf("operation %d ran as number %d", v, i)
		}
	}
	if len(order) != 100 {
		t.Fatalf("%d operations ran", len(order))
	}
}

func TestStreamQuery(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	wantCode(t, "empty stream", s.Query(), gpu.Success)
	g := hold(t, s)
	wantCode(t, "busy stream", s.Query(), gpu.NotReady)
	close(g)
	must(t, s.Synchronize())
	wantCode(t, "idle stream", s.Query(), gpu.Success)
	must(t, s.Destroy())
	wantCode(t, "second destroy", s.Destroy(), gpu.InvalidHandle)
	wantCode(t, "use after destroy", s.HostFunc(func() {}), gpu.InvalidHandle)
	wantCode(t, "destroying the default stream", d.DefaultStream().Destroy(), gpu.InvalidHandle)
}

func TestDefaultStreamSynchronises(t *testing.T) {
	tests := []struct {
		name        string
		nonBlocking bool
		waits       bool
	}{
		{"blocking stream", false, true},
		{"non-blocking stream", true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDevice(t)
			s := newStream(t, d, test.nonBlocking)
			// The default stream waits for what was submitted to s before ...
			g := hold(t, s)
			var ran atomic.Bool
			must(t, d.DefaultStream().HostFunc(func() { ran.Store(true) }))
			if test.waits {
				time.Sleep(20 * time.Millisecond)
				if ran.Load() {
					t.Error("the default stream did not wait for the stream")
				}
			} else if must(t, d.DefaultStream().Synchronize()); !ran.Load() {
				t.Error("the default stream did not run")
			}
			close(g)
			must(t, d.Synchronize())
			// ... and s for what was submitted to the default stream before.
			ran.Store(false)
			g = hold(t, d.DefaultStream())
			must(t, s.HostFunc(func() { ran.Store(true) }))
			if test.waits {
				time.Sleep(20 * time.Millisecond)
				if ran.Load() {
					t.Error("the stream did not wait for the default stream")
				}
			} else if must(t, s.Synchronize()); !ran.Load() {
				t.Error("the stream did not run")
			}
			close(g)
			must(t, d.Synchronize())
			if !ran.Load() {
				t.Error("work was lost")
			}
		})
	}
}

func TestEvents(t *testing.T) {
	d := newDevice(t)
	a, b := newStream(t, d, true), newStream(t, d, true)
	first, second := newEvent(t, d), newEvent(t, d)
	wantCode(t, "event without recording", first.Query(), gpu.Success)
	_, err := gpu.Elapsed(first, second)
	wantCode(t, "elapsed without recording", err, gpu.InvalidHandle)

	g := hold(t, a)
	must(t, a.RecordEvent(first))
	wantCode(t, "pending event", first.Query(), gpu.NotReady)
	var ran atomic.Bool
	must(t, b.WaitEvent(first))
	must(t, b.HostFunc(func() { ran.Store(true) }))
	must(t, b.RecordEvent(second))
	_, err = gpu.Elapsed(first, second)
	wantCode(t, "elapsed of pending events", err, gpu.NotReady)
	time.Sleep(20 * time.Millisecond)
	if ran.Load() {
		t.Error("the stream did not wait for the event")
	}
	close(g)
	must(t, second.Synchronize())
	if !ran.Load() {
		t.Error("the event completed before the work in front of it")
	}
	elapsed, err := gpu.Elapsed(first, second)
	if err != nil || elapsed < 0 || elapsed > time.Minute {
		t.Errorf("elapsed %v, %v", elapsed, err)
	}
	untimed, err := d.NewEvent(false)
	must(t, err)
	must(t, a.RecordEvent(untimed))
	must(t, untimed.Synchronize())
	_, err = gpu.Elapsed(first, untimed)
	wantCode(t, "elapsed without timing", err, gpu.InvalidHandle)
}

func TestValues(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	va := upload(t, d, []uint64{0, 0})
	tests := []struct {
		name          string
		cond          gpu.WaitCondition
		wait          uint32
		before, after uint32
	}{
		{"greater or equal", gpu.WaitGreaterEqual, 5, 4, 9},
		{"greater or equal around zero", gpu.WaitGreaterEqual, 0xfffffff0, 0xffffffef, 2},
		{"equal", gpu.WaitEqual, 7, 8, 7},
		{"and", gpu.WaitAnd, 6, 9, 2},
		{"nor", gpu.WaitNor, 0xffff0000, 0x0000ffff, 0x0000fffe},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			must(t, s.WriteValue32(va, test.before))
			must(t, s.WaitValue32(va, test.wait, test.cond))
			must(t, s.WriteValue32(va+8, 1))
			time.Sleep(5 * time.Millisecond)
			wantCode(t, "stream before the value", s.Query(), gpu.NotReady)
			must(t, d.Write(va, bytesOf([]uint32{test.after})))
			must(t, s.Synchronize())
		})
	}
	must(t, s.WriteValue64(va, 1<<40))
	must(t, s.WaitValue64(va, 1<<40, gpu.WaitEqual))
	must(t, s.Synchronize())
	wantCode(t, "unaligned value", s.WriteValue32(va+2, 1), gpu.InvalidValue)
	wantCode(t, "unmapped value", s.WaitValue32(0x1000, 1, gpu.WaitEqual), gpu.InvalidValue)
	wantCode(t, "unknown condition", s.WaitValue32(va, 1, 4), gpu.InvalidValue)
}

func TestCopies(t *testing.T) {
	d := newDevice(t)
	s := d.DefaultStream()
	src := make([]byte, 3<<20)
	for i := range src {
		src[i] = byte(i * 7 >> 3)
	}
	a, err := d.Alloc(uint64(len(src)))
	must(t, err)
	b, err := d.Alloc(uint64(len(src)))
	must(t, err)
	back := make([]byte, len(src))
	must(t, s.CopyToDevice(a, src))
	must(t, s.CopyDevice(b, a, uint64(len(src))))
	must(t, s.CopyFromDevice(back, b))
	must(t, s.Synchronize())
	for i := range src {
		if src[i] != back[i] {
			t.Fatalf("byte %d: %d, want %d", i, back[i], src[i])
		}
	}
	// Overlapping, forwards: as memmove.
	must(t, s.CopyDevice(a+5, a, uint64(len(src)-5)))
	must(t, s.CopyFromDevice(back, a))
	must(t, s.Synchronize())
	for i := range back[5:] {
		if back[i+5] != src[i] {
			t.Fatalf("moved byte %d: %d, want %d", i, back[i+5], src[i])
		}
	}
	wantCode(t, "copy beyond the end", s.CopyToDevice(b+4096, src), gpu.InvalidValue)
	wantCode(t, "copy from nowhere", s.CopyDevice(a, 0x1000, 1), gpu.InvalidValue)
	wantCode(t, "short slice", s.Copy(gpu.Copy{To: gpu.DevicePlace(a), From: gpu.HostPlace(src[:8]), Width: 9, Height: 1}), gpu.InvalidValue)
	wantCode(t, "empty copy", s.CopyDevice(0, 0, 0), gpu.Success)
}

func TestCopyRows(t *testing.T) {
	d := newDevice(t)
	s := d.DefaultStream()
	src := make([]byte, 10*100)
	for i := range src {
		src[i] = byte(i)
	}
	dev := upload(t, d, make([]byte, 10*64))
	out := make([]byte, 10*40)
	// A window of 30 bytes at column 20 of 10 rows.
	must(t, s.Copy(gpu.Copy{From: gpu.Place{Host: src, Pitch: 100, Offset: 20}, To: gpu.Place{Addr: dev, Pitch: 64}, Width: 30, Height: 10}))
	must(t, s.Copy(gpu.Copy{From: gpu.Place{Addr: dev, Pitch: 64}, To: gpu.Place{Host: out, Pitch: 40, Offset: 3}, Width: 30, Height: 10}))
	must(t, s.Synchronize())
	for i, got := range out {
		want := byte(0)
		if c := i % 40; c >= 3 && c < 33 {
			want = byte(i/40*100 + 20 + c - 3)
		}
		if got != want {
			t.Fatalf("row %d column %d: %d, want %d", i/40, i%40, got, want)
		}
	}
	bad := gpu.Copy{From: gpu.Place{Host: src, Pitch: 20}, To: gpu.Place{Addr: dev, Pitch: 64}, Width: 30, Height: 2}
	wantCode(t, "pitch below width", s.Copy(bad), gpu.InvalidValue)
}

func TestFills(t *testing.T) {
	d := newDevice(t)
	s := d.DefaultStream()
	n := 2<<20 + 64
	va, err := d.Alloc(uint64(n))
	must(t, err)
	must(t, s.Fill(gpu.Fill{Addr: va, Value: 0xdeadbeef, Size: 4, Width: uint64(n / 4), Height: 1}))
	must(t, s.Fill(gpu.Fill{Addr: va + 2, Value: 0x1234, Size: 2, Width: 3, Height: 2, Pitch: 32}))
	must(t, s.Fill(gpu.Fill{Addr: va + 65, Value: 0x5a, Size: 1, Width: 7, Height: 1}))
	must(t, s.Synchronize())
	for i, got := range download[byte](t, d, va, n) {
		want := []byte{0xef, 0xbe, 0xad, 0xde}[i%4]
		if row := i % 32; i < 64 && row >= 2 && row < 8 {
			want = []byte{0x34, 0x12}[i%2]
		}
		if i >= 65 && i < 72 {
			want = 0x5a
		}
		if got != want {
			t.Fatalf("byte %d: %#x, want %#x", i, got, want)
		}
	}
	wantCode(t, "unaligned fill", s.Fill(gpu.Fill{Addr: va + 1, Size: 2, Width: 1, Height: 1}), gpu.InvalidValue)
	wantCode(t, "fill beyond the end", s.Fill(gpu.Fill{Addr: va, Size: 4, Width: uint64(n), Height: 1}), gpu.InvalidValue)
}

func TestKernelsOnTwoStreamsRunTogether(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "spinForever")
	flag := upload(t, d, []int32{0})
	a, b := newStream(t, d, true), newStream(t, d, true)
	must(t, a.Launch(gpu.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{64, 1, 1}, Params: params(t, f, flag)}))
	must(t, b.WriteValue32(flag, 1))
	must(t, a.Synchronize())
}

func TestFreeAsync(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	before, _ := d.MemInfo()
	va := upload(t, d, make([]byte, 1<<20))
	g := hold(t, s)
	must(t, s.FreeAsync(va))
	if free, _ := d.MemInfo(); free != before-1<<20 {
		t.Errorf("memory went before its turn: %d free, %d at first", free, before)
	}
	close(g)
	must(t, s.Synchronize())
	if free, _ := d.MemInfo(); free != before {
		t.Errorf("memory did not come back: %d free, %d at first", free, before)
	}
	wantCode(t, "second free", s.FreeAsync(va), gpu.InvalidValue)
}
