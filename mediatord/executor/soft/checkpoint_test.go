package soft

import (
	"path/filepath"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

// What comes of contexts that return where another process has the memory meanwhile, and
// again when it has gone.
func TestReturnWithoutRoom(t *testing.T) {
	const block = 16 << 20
	var (
		away    = driver.Return{Result: errorOperatingSystem, Before: driver.StateCheckpointed, After: driver.StateCheckpointed}
		back    = driver.Return{Before: driver.StateCheckpointed, After: driver.StateRunning}
		noRoom  = driver.Return{Result: driver.ErrorOutOfMemory, Before: driver.StateCheckpointed, After: driver.StateCheckpointed}
		lost    = driver.Return{Result: errorOperatingSystem, Before: driver.StateCheckpointed, After: driver.StateFailed}
		manners = map[ledger.Manner][2]driver.Return{ledger.Patient: {away, back}, ledger.Patient | ledger.Untold: {away, back}, ledger.Stuck: {noRoom, away}, ledger.Lost: {lost, back}}
	)
	for manner, want := range manners {
		path := filepath.Join(t.TempDir(), "ledger")
		if err := ledger.Create(path, ledger.Context+block, manner); err != nil {
			t.Fatal(err)
		}
		one, other := openWith(t, path), openWith(t, path)
		if _, r := one.PrimaryRetain(0); r != driver.Success {
			t.Fatalf("context: %d", r)
		}
		if r := one.MapBlock(1<<32, block); r != driver.Success {
			t.Fatalf("block: %d", r)
		}
		if free, _, _ := other.MemoryInfo(); free != 0 {
			t.Errorf("the other sees %d bytes", free)
		}
		if _, r := other.PrimaryRetain(0); r != driver.ErrorOutOfMemory {
			t.Errorf("a context without room: %d", r)
		}
		if r, intact := one.Checkpoint(); r != driver.Success || !intact {
			t.Fatalf("leaving: %d, intact %v", r, intact)
		}
		if _, r := other.PrimaryRetain(0); r != driver.Success {
			t.Errorf("a context with room: %d", r)
		}
		if got := one.Restore(); got != want[0] {
			t.Errorf("manner %d, without room: %+v, want %+v", manner, got, want[0])
		}
		if r := other.PrimaryRelease(); r != driver.Success {
			t.Errorf("ending a context: %d", r)
		}
		if got := one.Restore(); got != want[1] {
			t.Errorf("manner %d, with room: %+v, want %+v", manner, got, want[1])
		}
		if one.stuck { // or its end would wait
			one.stuck = false
			one.Restore()
		}
	}
}
