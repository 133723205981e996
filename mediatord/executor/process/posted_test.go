package process

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/driver/drivertest"
	"libvirt-vgpu/plugin/window"
)

// silent is a driver that does nothing on posted calls, not even remember.
type silent struct{ *drivertest.Recorder }

func (silent) Launch(*driver.Launch) driver.Result                               { return 0 }
func (silent) CopyHtoD(_, _, _ uint64, _ driver.Stream) driver.Result            { return 0 }
func (silent) CopyDtoD(_, _, _ uint64, _ driver.Stream) driver.Result            { return 0 }
func (silent) CopyHtoDBytes(uint64, []byte, driver.Stream) driver.Result         { return 0 }
func (silent) WriteFence(driver.Stream, uint64, uint32) driver.Result            { return 0 }
func (silent) EventRecord(driver.Event, driver.Stream, uint32) driver.Result     { return 0 }
func (silent) Notify(driver.Stream, int) driver.Result                           { return 0 }
func (silent) GraphLaunch(driver.GraphExec, driver.Stream) driver.Result         { return 0 }
func (silent) StreamWaitEvent(driver.Stream, driver.Event, uint32) driver.Result { return 0 }

// posted are the ops of a program at work.
func posted(h *harness) map[string][]byte {
	h.function(9)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.post("event_create", 1, 0)
	h.must("graph_create", 1, 0)
	h.must("graph_instantiate", 1, 1, 0)
	record := func(name string, args ...any) []byte { return h.Record(window.NoReply, name, args...) }
	return map[string][]byte{
		"launch":            record("launch", 9, 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, 64)),
		"launch_ex":         record("launch_ex", 9, 0, 1, 1, 1, 32, 1, 1, 0, 0, 1, make([]byte, 100)),
		"copy_htod":         record("copy_htod", 1, h.base, 4096, 0),
		"copy_htod_inline":  record("copy_htod_inline", 1, 0, make([]byte, 1000)),
		"copy_dtod":         record("copy_dtod", 1, 2, 3, 0),
		"fence":             record("fence", 0, 1, 0),
		"event_record":      record("event_record", 1, 0, 0, 2, 0),
		"stream_wait_event": record("stream_wait_event", 0, 1, 0),
		"graph_launch":      record("graph_launch", 1, 0),
		"refused":           record("refused", 1),
		"notify":            record("notify", 0),
	}
}

func TestPostedCallsDoNotAllocate(t *testing.T) {
	h := inContext(t, func(c *Config) { c.Driver = silent{c.Driver.(*drivertest.Recorder)} })
	for name, record := range posted(h) {
		allocations := testing.AllocsPerRun(100, func() {
			h.Push(record)
			if _, err := h.consumer.Step(); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s allocates %v times", name, allocations)
		}
	}
}
