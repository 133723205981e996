package soft

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Two drivers stand for two processes.
func TestEventOfTwoProcesses(t *testing.T) {
	const gate = 0x300000000000
	ours, theirs := open(t), open(t)
	event, r := ours.EventCreate(eventInterprocess | eventNoTiming)
	if r != driver.Success {
		t.Fatal(r)
	}
	_, fd, r := ours.EventExport(event)
	if r != driver.Success {
		t.Fatal(r)
	}
	defer unix.Close(fd)
	same, r := theirs.EventImport(driver.EventHandle{}, fd)
	if r != driver.Success {
		t.Fatal(r)
	}
	if r := theirs.EventQuery(same); r != driver.Success {
		t.Errorf("never recorded: %d", r)
	}
	if r := ours.MapBlock(gate, 2<<20); r != driver.Success {
		t.Fatal(r)
	}
	for _, r := range []driver.Result{ours.StreamWaitValue32(0, gate, 1, 1), ours.EventRecord(event, 0, 0), theirs.StreamWaitEvent(0, same, 0)} {
		if r != driver.Success {
			t.Fatal(r)
		}
	}
	time.Sleep(5 * time.Millisecond)
	if a, b, c := theirs.EventQuery(same), ours.EventQuery(event), theirs.StreamQuery(0); a != driver.ErrorNotReady || b != a || c != a {
		t.Errorf("while it is held: %d, %d, %d", a, b, c)
	}
	if err := ours.dev.Write(gate, []byte{1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if r := theirs.Synchronize(0); r != driver.Success {
		t.Error(r)
	}
	if r := ours.EventQuery(event); r != driver.Success {
		t.Errorf("after it: %d", r)
	}
	if r := ours.EventDestroy(event); r != driver.Success {
		t.Error(r)
	}
	if r := theirs.EventRecord(same, 0, 0); r != driver.Success {
		t.Errorf("without its maker: %d", r)
	}
	if _, _, r := ours.EventExport(event); r != driver.ErrorInvalidHandle {
		t.Errorf("exporting what is gone: %d", r)
	}
	if _, r := theirs.EventImport(driver.EventHandle{}, -1); r != driver.ErrorInvalidValue {
		t.Errorf("importing nothing: %d", r)
	}
}

func TestStreamAttributes(t *testing.T) {
	d := open(t)
	s, r := d.StreamCreate(streamNonBlocking, -3)
	if r != driver.Success {
		t.Fatal(r)
	}
	if v, r := d.StreamGetAttribute(s, attributePriority); r != driver.Success || int8(v[0]) != -3 {
		t.Errorf("priority %d, %d", int8(v[0]), r)
	}
	window := make([]byte, 64)
	window[5] = 9
	if r := d.StreamSetAttribute(s, attributeAccessPolicy, window); r != driver.Success {
		t.Error(r)
	}
	if r := d.StreamCopyAttributes(0, s); r != driver.Success {
		t.Error(r)
	}
	if v, _ := d.StreamGetAttribute(0, attributeAccessPolicy); v != [64]byte(window) {
		t.Errorf("copied %v", v)
	}
	if _, r := d.StreamGetAttribute(s, 2); r != driver.ErrorInvalidValue {
		t.Errorf("no attribute of streams: %d", r)
	}
	d.StreamDestroy(s)
	if r := d.StreamSetAttribute(s, attributePriority, window); r != driver.ErrorInvalidHandle {
		t.Errorf("gone: %d", r)
	}
	if len(d.hints) != 1 { // the default stream's
		t.Errorf("%d streams have attributes", len(d.hints))
	}
}

func TestResourcesAddUp(t *testing.T) {
	d := open(t)
	whole, r := d.DeviceResource(resourceMultiprocessors)
	if r != driver.Success || smCount(&whole) != multiprocessors {
		t.Fatalf("%d multiprocessors, %d", smCount(&whole), r)
	}
	parts, rest, made, r := d.ResourceSplit(&whole, 2, 0, 3)
	if r != driver.Success || made != 2 || smCount(&parts[0]) != 4 || smCount(&rest) != 0 {
		t.Errorf("%d parts of %d, %d left, %d", made, smCount(&parts[0]), smCount(&rest), r)
	}
	if _, _, made, _ := d.ResourceSplit(&whole, 0, 0, 1); made != multiprocessors/smPartition {
		t.Errorf("%d parts possible", made)
	}
	if _, _, _, r := d.ResourceSplit(&whole, 1, 0, multiprocessors+1); r != driver.ErrorInvalidValue {
		t.Errorf("more than there is: %d", r)
	}
	if _, r := d.ResourceDescribe([]driver.Resource{whole, whole}); r != errorResourceConfiguration {
		t.Errorf("the device twice: %d", r)
	}
	desc, r := d.ResourceDescribe(parts[:1])
	if r != driver.Success {
		t.Fatal(r)
	}
	g, r := d.GreenCreate(desc, greenDefaultStream)
	if r != driver.Success {
		t.Fatal(r)
	}
	c, _ := d.GreenContext(g)
	if f, r := d.ContextResource(c, resourceMultiprocessors); r != driver.Success || smCount(&f) != 4 {
		t.Errorf("the green context has %d, %d", smCount(&f), r)
	}
	if r := d.GreenDestroy(g); r != driver.Success {
		t.Error(r)
	}
	if _, r := d.GreenContext(g); r != driver.ErrorInvalidContext {
		t.Errorf("gone: %d", r)
	}
}
