package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/executortest"
)

func TestCapacity(t *testing.T) {
	const gib = 1 << 30
	s := status{
		GPUs: []gpuStatus{
			{Name: "NVIDIA H200", UUID: "GPU-1", PCI: "0000:01:00.0", Memory: 140 * gib, Available: true},
			{Name: "NVIDIA H200", UUID: "GPU-2", PCI: "0000:02:00.0", Memory: 140 * gib, Available: true},
			{UUID: "GPU-lost", Memory: 140 * gib},
		},
		Pools: []poolStatus{
			{Name: "gold", GPUs: []string{"GPU-1", "0000:02:00.0", "GPU-lost"}, Slots: 4, Used: 2, Overcommit: 1, Weight: 200, Priorities: []string{"high", "normal"}},
			{Name: "capped", GPUs: []string{"GPU-1"}, Slots: 4, Overcommit: 2, MaxMemory: 8 * gib, Priorities: []string{"low"}},
			{Name: "full", GPUs: []string{"GPU-1"}, Slots: 1, Used: 1, Overcommit: 1, Priorities: []string{"low"}},
		},
		Slots: []slotStatus{
			{Pool: "gold", GPU: "GPU-1", MemoryQuota: 100 * gib},
			{Pool: "gold", GPU: "0000:02:00.0", MemoryQuota: 16 * gib},
			{Pool: "full", GPU: "GPU-1", MemoryQuota: gib},
		},
	}
	var out bytes.Buffer
	if err := s.capacity().print(&out); err != nil {
		t.Fatal(err)
	}
	golden(t, "capacity.golden", out.String())
	text, err := json.MarshalIndent(s.capacity(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "capacity.json", string(text)+"\n")
}

// What capacity promises is what mediatord gives, and not a byte more.
func TestCapacityIsWhatStartsGet(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	read := func() poolCapacity {
		code, out, errs := vgpuctl("capacity", "--bus", d.Address, "--json")
		var c capacity
		if err := json.Unmarshal([]byte(out), &c); code != 0 || err != nil || len(c.Pools) != 1 {
			t.Fatalf("status %d, %q, %v\n%s", code, errs, err, out)
		}
		return c.Pools[0]
	}
	for deadline := time.Now().Add(time.Minute); !read().GPUs[0].Available; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the GPU was not found")
		}
	}
	_, hold, err := openSession(context.Background(), d.Address, "default", "low", 3<<30, "first")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	left := read()
	if left.SlotsFree != 7 || left.LargestMemory != executortest.Memory-3<<30 || left.MemoryFree != left.LargestMemory {
		t.Errorf("left is %+v", left)
	}
	if _, _, err := openSession(context.Background(), d.Address, "default", "low", left.LargestMemory+1<<20, "second"); err == nil {
		t.Error("more than the largest memory was given")
	}
	_, all, err := openSession(context.Background(), d.Address, "default", "low", left.LargestMemory, "second")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if left := read(); left.MemoryFree != 0 || left.SlotsFree != 6 {
		t.Errorf("left is %+v", left)
	}
}
