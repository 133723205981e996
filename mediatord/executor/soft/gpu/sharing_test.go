package gpu

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func newDevice(t *testing.T) *Device {
	t.Helper()
	d, err := New(Config{Memory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestMemoryOfAnotherDevice(t *testing.T) {
	const size, there, here = 1 << 20, 0x300000000000, 0x310000000000
	owner, other := newDevice(t), newDevice(t)
	if err := owner.AllocAt(there, size); err != nil {
		t.Fatal(err)
	}
	if err := owner.Write(there, []byte("from the owner")); err != nil {
		t.Fatal(err)
	}
	fd, err := owner.ExportAt(there)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := other.ImportAt(here, fd, size); err != nil {
		t.Fatal(err)
	}
	read := func(d *Device, va uint64) []byte {
		t.Helper()
		p := make([]byte, 14)
		if err := d.Read(p, va); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if got := read(other, here); !bytes.Equal(got, []byte("from the owner")) {
		t.Errorf("the other device reads %q", got)
	}
	if err := other.Write(here, []byte("from the other")); err != nil {
		t.Fatal(err)
	}
	if got := read(owner, there); !bytes.Equal(got, []byte("from the other")) {
		t.Errorf("the owner reads %q", got)
	}
	if free, total := other.MemInfo(); free != total {
		t.Errorf("borrowed memory counts: %d of %d are free", free, total)
	}
	if err := owner.Free(there); err != nil {
		t.Fatal(err)
	}
	if got := read(other, here); !bytes.Equal(got, []byte("from the other")) {
		t.Errorf("without its owner the memory is %q", got)
	}
	if err := other.Free(here); err != nil {
		t.Error(err)
	}
}

func TestHandlesOfAnotherDevicesMemory(t *testing.T) {
	owner, other := newDevice(t), newDevice(t)
	m, err := owner.CreateMemory(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := owner.Export(m)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := other.Import(fd, 2<<20); !errors.Is(err, InvalidValue) {
		t.Errorf("a lying size: %v", err)
	}
	imported, err := other.Import(fd, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.ReleaseMemory(m); err != nil {
		t.Error(err)
	}
	if _, err := owner.Export(m); !errors.Is(err, InvalidValue) {
		t.Errorf("exporting what is gone: %v", err)
	}
	if err := other.ReleaseMemory(imported); err != nil {
		t.Error(err)
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	for _, bad := range []int{-1, null} {
		if _, err := other.Import(bad, 1<<20); !errors.Is(err, InvalidValue) {
			t.Errorf("descriptor %d: %v", bad, err)
		}
		if err := other.ImportAt(0x310000000000, bad, 1<<20); !errors.Is(err, InvalidValue) {
			t.Errorf("descriptor %d: %v", bad, err)
		}
	}
	if err := other.ImportAt(1, fd, 1<<20); !errors.Is(err, InvalidValue) {
		t.Errorf("odd address: %v", err)
	}
	if _, err := other.ExportAt(0x310000000000); !errors.Is(err, InvalidValue) {
		t.Errorf("exporting nothing: %v", err)
	}
}

func TestEventsOfAllStreams(t *testing.T) {
	const gate = 0x300000000000
	d := newDevice(t)
	if err := d.AllocAt(gate, 4096); err != nil {
		t.Fatal(err)
	}
	held, err := d.NewStream(StreamFlags{NonBlocking: true})
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.NewStream(StreamFlags{NonBlocking: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.NewEvent(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.WaitValue32(gate, 1, WaitEqual); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordAll(all); err != nil {
		t.Fatal(err)
	}
	if err := d.WaitAll(all); err != nil {
		t.Fatal(err)
	}
	if err := other.Query(); !errors.Is(err, NotReady) {
		t.Errorf("the other stream does not wait: %v", err)
	}
	if err := all.Query(); !errors.Is(err, NotReady) {
		t.Errorf("the event is early: %v", err)
	}
	if err := d.Write(gate, []byte{1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(all.Synchronize(), other.Synchronize(), d.Synchronize()); err != nil {
		t.Error(err)
	}
	if err := other.BeginCapture(CaptureRelaxed, 1); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordAll(all); !errors.Is(err, CaptureUnsupported) {
		t.Errorf("recorded beside a capture: %v", err)
	}
	if err := d.WaitAll(all); !errors.Is(err, CaptureUnsupported) {
		t.Errorf("waited beside a capture: %v", err)
	}
	if _, err := other.EndCapture(1); !errors.Is(err, CaptureInvalidated) {
		t.Errorf("the capture ends with %v", err)
	}
}
