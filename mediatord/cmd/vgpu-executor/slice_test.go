package main

import (
	"debug/elf"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// awaitSlice waits until the executor says which slice it has asked its driver for; what it is told it notices with what it does.
func (x *tenant) awaitSlice(want string) {
	x.T.Helper()
	for {
		x.await("work", x.post(1, time.Microsecond))
		if m := x.executor.Expect("log"); strings.HasPrefix(m.Message, "time slice of ") {
			if !strings.HasPrefix(m.Message, "time slice of "+want+" ") {
				x.T.Errorf("the executor says %q, want %s", m.Message, want)
			}
			return
		}
	}
}

// Beside a domain of a higher class an executor asks for short slices, and no more when that is gone.
func TestSliceReachesTheExecutor(t *testing.T) {
	a := newArbiter(t)
	low, high := newTenant(t, a, sched.Low, 100), newTenant(t, a, sched.High, 100)
	low.awaitSlice("200µs")
	high.terms.Class = sched.Low
	high.domain.Set(high.terms)
	low.awaitSlice("0s")
	low.terms.Class = sched.High
	low.domain.Set(low.terms)
	high.awaitSlice("200µs")
}

// libcuda's calls of ioctl must come to the executor's own first: its dynamic symbols have it.
func TestExecutorExportsIoctl(t *testing.T) {
	binary, err := elf.Open(executorBinary)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	symbols, err := binary.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool {
		return s.Name == "ioctl" && s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_BIND(s.Info) == elf.STB_GLOBAL
	}) {
		t.Error("libcuda would call libc's ioctl: the executor exports none")
	}
}
