package ivshmem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestQEMU lets the real device do the handshake, use the window, ring every doorbell and take every interrupt, be reset, and come back
// as a restarted domain does.
func TestQEMU(t *testing.T) {
	const vectors = 33
	f := serve(t, vectors, anybody)
	for _, life := range []string{"first start", "restart"} {
		t.Run(life, func(t *testing.T) {
			q := startQEMU(t, f.path, vectors)
			event := f.expect(t, true)
			if int(event.Peer.Pid) != q.command.Process.Pid {
				t.Errorf("the peer's pid is %d, QEMU's %d", event.Peer.Pid, q.command.Process.Pid)
			}
			registers, msix, window := q.bars()
			if info := q.monitor("info pci"); !strings.Contains(info, fmt.Sprintf("BAR2: 64 bit prefetchable memory at 0x%08x [0x%08x]", window, window+testWindowSize-1)) {
				t.Errorf("BAR2 is not the window of %d bytes at %#x:\n%s", testWindowSize, window, info)
			}
			if id := q.do("readl 0x%x", registers+8) & 0xffffffff; id != GuestID {
				t.Errorf("IVPosition is %d", id)
			}
			q.checkWindow(f, window)
			q.checkVectors(f, registers, q.enableMSIX(msix))

			q.reset()
			registers, msix, window = q.bars()
			q.checkWindow(f, window)
			q.checkVectors(f, registers, q.enableMSIX(msix))
			if _, connected := f.server.Connected(); !connected || len(f.events) != 0 {
				t.Error("a reset ended the connection")
			}
			q.quit()
			f.expect(t, false)
		})
	}
}

// checkWindow writes on one side and reads on the other, at both ends of the window.
func (q *qemu) checkWindow(f *fixture, window uint64) {
	q.t.Helper()
	var word [8]byte
	for _, offset := range []uint64{0, testWindowSize - 16} {
		binary.LittleEndian.PutUint64(word[:], 0x1122334455667788+offset)
		if _, err := f.window.WriteAt(word[:], int64(offset)); err != nil {
			q.t.Fatal(err)
		}
		if value := q.do("readq 0x%x", window+offset); value != 0x1122334455667788+offset {
			q.t.Errorf("the guest reads %#x at %#x", value, offset)
		}
		q.do("writeq 0x%x 0x%x", window+offset+8, 0x99aabbccddeeff+offset)
		if _, err := f.window.ReadAt(word[:], int64(offset)+8); err != nil {
			q.t.Fatal(err)
		}
		if value := binary.LittleEndian.Uint64(word[:]); value != 0x99aabbccddeeff+offset {
			q.t.Errorf("the host reads %#x at %#x", value, offset+8)
		}
	}
}

// checkVectors rings and raises each vector and expects that one and no other.
func (q *qemu) checkVectors(f *fixture, registers, pending uint64) {
	q.t.Helper()
	for vector := range f.server.Vectors() {
		q.do("writel 0x%x 0x%x", registers+12, HostID<<16|vector)
		doorbell := f.server.Doorbell(vector)
		if err := doorbell.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			q.t.Fatal(err)
		}
		if count, err := Await(doorbell); err != nil || count != 1 {
			q.t.Errorf("doorbell %d counts %d, %v", vector, count, err)
		}

		bit, word := uint64(1)<<(vector%64), pending+uint64(vector/64*8)
		if q.do("readq 0x%x", word)&bit != 0 {
			q.t.Errorf("vector %d is pending before it was raised", vector)
		}
		if err := Signal(f.server.Interrupt(vector)); err != nil {
			q.t.Fatal(err)
		}
		eventually(q.t, fmt.Sprintf("interrupt %d", vector), func() bool { return q.do("readq 0x%x", word)&bit != 0 })
	}
	for vector := range f.server.Vectors() {
		doorbell := f.server.Doorbell(vector)
		if err := doorbell.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			q.t.Fatal(err)
		}
		if count, err := Await(doorbell); err == nil {
			q.t.Errorf("doorbell %d counts %d more", vector, count)
		}
	}
}

// TestQEMURefused shows that the start of a domain fails, and does not hang, when its QEMU is turned away.
func TestQEMURefused(t *testing.T) {
	program := findQEMU(t)
	refused := serve(t, 2, func(unix.Ucred) error { return errors.New("not this domain's QEMU") })
	busy := serve(t, 2, anybody)
	busy.dial(t)
	busy.expect(t, true)
	for name, f := range map[string]*fixture{"not allowed": refused, "busy": busy} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			command := exec.CommandContext(ctx, program, machine(f.path, 2)...)
			output, err := command.CombinedOutput()
			if err == nil || ctx.Err() != nil || !strings.Contains(string(output), "server sent version -2") {
				t.Errorf("QEMU ends with %v, %v, saying %q", err, ctx.Err(), output)
			}
		})
	}
}
