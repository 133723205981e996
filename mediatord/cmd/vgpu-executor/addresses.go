package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"libvirt-vgpu/plugin/window"
)

// The addresses that this process shares with its guest process, unless that asks
// for other ones, must be free in it. Go 1.26 places its heap at a random address
// below 2^46, which meets one of the ranges in about one start out of six; then the
// program starts again.

// addressRange is [start, end).
type addressRange struct{ start, end uint64 }

func (r addressRange) overlaps(o addressRange) bool { return r.start < o.end && o.start < r.end }

// heapGrowth is how far below a range the heap may not begin, so that it does
// not grow into the range.
const heapGrowth = 1 << 40

// sharedRanges are the ranges with the room below them.
var sharedRanges = []addressRange{
	{window.PinnedBase - heapGrowth, window.PinnedBase + window.PinnedSize},
	{window.DeviceBase - heapGrowth, window.DeviceBase + window.DeviceSize},
}

// startsVariable counts starts in the environment.
const (
	startsVariable = "VGPU_EXECUTOR_STARTS"
	maxStarts      = 40 // all in vain once in 10^31
)

// freeAddresses returns once the shared ranges are free. If they are not, it
// starts this program again, which does not return.
func freeAddresses() error {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("looking for free addresses: %w", err)
	}
	defer maps.Close()
	used, err := firstUsed(maps, sharedRanges)
	if err != nil || used == "" {
		return err
	}
	starts := os.Getenv(startsVariable)
	if len(starts) >= maxStarts {
		return fmt.Errorf("addresses shared with the guest are in use: %s", used)
	}
	if err := os.Setenv(startsVariable, starts+"I"); err != nil {
		return fmt.Errorf("starting again: %w", err)
	}
	return startAgain()
}

// startAgain returns only if it fails.
func startAgain() error {
	if err := syscall.Exec("/proc/self/exe", os.Args, os.Environ()); err != nil {
		return fmt.Errorf("starting again: %w", err)
	}
	return nil
}

// firstUsed returns the first line of a /proc/PID/maps that lies in one of the
// ranges, "" if none does.
func firstUsed(maps io.Reader, ranges []addressRange) (string, error) {
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var r addressRange
		if _, err := fmt.Sscanf(strings.TrimSpace(lines.Text()), "%x-%x ", &r.start, &r.end); err != nil {
			return "", fmt.Errorf("reading memory map %q: %w", lines.Text(), err)
		}
		for _, shared := range ranges {
			if r.overlaps(shared) {
				return lines.Text(), nil
			}
		}
	}
	return "", lines.Err()
}
