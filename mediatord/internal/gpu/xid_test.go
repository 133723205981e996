package gpu

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

func TestXids(t *testing.T) {
	device := &mock.Device{
		GetPciInfoFunc:     func() (nvml.PciInfo, nvml.Return) { return nvml.PciInfo{Bus: 0x41}, nvml.SUCCESS },
		RegisterEventsFunc: func(uint64, nvml.EventSet) nvml.Return { return nvml.SUCCESS },
	}
	events := []nvml.EventData{
		{Device: device, EventType: nvml.EventTypeXidCriticalError, EventData: 31},
		{Device: device, EventType: nvml.EventTypeClock, EventData: 5},
		{Device: device, EventType: nvml.EventTypeXidCriticalError, EventData: 43},
	}
	freed := 0
	set := &mock.EventSet{
		FreeFunc: func() nvml.Return { freed++; return nvml.SUCCESS },
		WaitFunc: func(uint32) (nvml.EventData, nvml.Return) {
			if len(events) == 0 {
				return nvml.EventData{}, nvml.ERROR_GPU_IS_LOST
			}
			e := events[0]
			events = events[1:]
			if e.EventData == 5 {
				return e, nvml.ERROR_TIMEOUT
			}
			return e, nvml.SUCCESS
		},
	}
	n := &NVML{
		library: &mock.Interface{EventSetCreateFunc: func() (nvml.EventSet, nvml.Return) { return set, nvml.SUCCESS }},
		ready:   true, handles: map[string]nvml.Device{"0000:41:00.0": device},
	}
	var got []string
	err := n.Xids(context.Background(), func(pci string, code uint64) { got = append(got, fmt.Sprint(pci, " ", code)) })
	if !errors.Is(err, nvml.ERROR_GPU_IS_LOST) || !slices.Equal(got, []string{"0000:41:00.0 31", "0000:41:00.0 43"}) {
		t.Errorf("%v, %v", got, err)
	}
	if freed != 1 {
		t.Errorf("the set was freed %d times", freed)
	}
	n.Close() // somebody may still wait: NVML is not given back under them
}

func TestXidsWithoutSuchGPUs(t *testing.T) {
	device := &mock.Device{RegisterEventsFunc: func(uint64, nvml.EventSet) nvml.Return { return nvml.ERROR_NOT_SUPPORTED }}
	set := &mock.EventSet{FreeFunc: func() nvml.Return { return nvml.SUCCESS }}
	n := &NVML{
		library: &mock.Interface{EventSetCreateFunc: func() (nvml.EventSet, nvml.Return) { return set, nvml.SUCCESS }},
		ready:   true, handles: map[string]nvml.Device{"0000:41:00.0": device},
	}
	if err := n.Xids(context.Background(), nil); err != nil || len(set.FreeCalls()) != 1 {
		t.Errorf("%v, freed %d times", err, len(set.FreeCalls()))
	}
	if err := (&NVML{}).Xids(context.Background(), nil); err != nil {
		t.Errorf("without a driver: %v", err)
	}
}
