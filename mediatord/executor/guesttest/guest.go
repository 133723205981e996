// Package guesttest plays a guest process for tests: it owns a window with one
// channel and writes records as the guest's library does, or as a hostile
// process would.
package guesttest

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

// Channel is the channel that the guest of New has open.
const Channel = 1

// Timeout bounds every wait.
const Timeout = 20 * time.Second

// Guest is one guest process.
type Guest struct {
	T         testing.TB
	Window    *window.Window
	Account   *window.Account
	Doorbell  *os.File // eventfd: the executor sleeps on it
	Interrupt *os.File // eventfd: the guest process sleeps on it
	// Over, if it is not nil, ends every wait when it says so.
	Over func() bool
	// Credential is whom the executor runs as; nil: this user.
	Credential *syscall.Credential
	// Lease is the files of a lease, with --lease: leases and report.
	Lease []*os.File
	// Context is the context number that the records carry.
	Context uint32

	channel  int
	ops      map[string]api.Op
	sequence uint32
	tail     uint64
}

// New makes a window of size bytes and an account with a quota.
func New(t testing.TB, size, quota uint64) *Guest {
	t.Helper()
	w, err := window.Create(t.Name(), size, 2)
	check(t, err)
	a, err := window.CreateAccount(t.Name(), quota)
	check(t, err)
	g := Attach(t, w, Channel, eventfd(t), eventfd(t))
	g.Account = a
	t.Cleanup(func() {
		check(t, w.Close())
		check(t, a.Close())
		_, _ = g.Doorbell.Close(), g.Interrupt.Close()
	})
	return g
}

// Attach plays the guest process that has a channel of a window that another
// program made. All that is passed stays the caller's; there is no account.
func Attach(t testing.TB, w *window.Window, channel int, doorbell, interrupt *os.File) *Guest {
	t.Helper()
	ops, err := api.Ops()
	check(t, err)
	g := &Guest{T: t, Window: w, Doorbell: doorbell, Interrupt: interrupt, channel: channel, ops: map[string]api.Op{}}
	for _, op := range ops {
		g.ops[op.Name] = op
	}
	return g
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventfd(t testing.TB) *os.File {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	check(t, err)
	return os.NewFile(uintptr(fd), "eventfd")
}

// Own hands count chunks from first on out to the channel.
func (g *Guest) Own(first, count int) {
	for i := first; i < first+count; i++ {
		g.Window.SetChunk(i, window.OwnedBy(g.channel))
	}
}

// Record encodes a record. args are the op's parameters that travel in the
// record, in the order of ops.table: unsigned or signed numbers of the right
// width, float32, []byte for fixed structures and bytes, string for bytes.
func (g *Guest) Record(reply uint16, name string, args ...any) []byte {
	g.T.Helper()
	op, ok := g.ops[name]
	if !ok {
		g.T.Fatalf("no op %q", name)
	}
	fields, size := op.Layout(false)
	payload := make([]byte, size)
	var i int
	for _, p := range op.Params {
		if p.Role == api.Out {
			continue
		}
		if i >= len(args) {
			g.T.Fatalf("%s: %s is missing", name, p.Name)
		}
		if p.Kind == "bytes" {
			payload = append(payload, bytesOf(args[i])...)
		} else {
			for _, f := range fields {
				if f.Name == p.Name {
					put(g.T, payload[f.Offset:f.Offset+f.Size], args[i])
				}
			}
		}
		i++
	}
	if i != len(args) {
		g.T.Fatalf("%s: %d arguments, takes %d", name, len(args), i)
	}
	g.sequence++
	return Header(op.Code, reply, g.sequence, g.Context, payload)
}

// Header puts a record's header before a payload.
func Header(opcode, reply uint16, sequence, context uint32, payload []byte) []byte {
	r := make([]byte, window.RecPayload, window.RecPayload+len(payload))
	le := binary.LittleEndian
	le.PutUint32(r[window.RecSize:], uint32(window.RecPayload+len(payload)))
	le.PutUint16(r[window.RecOpcode:], opcode)
	le.PutUint16(r[window.RecReply:], reply)
	le.PutUint32(r[window.RecSeq:], sequence)
	le.PutUint32(r[window.RecThread:], 1)
	le.PutUint32(r[window.RecCtx:], context)
	return append(r, payload...)
}

func bytesOf(arg any) []byte {
	if s, ok := arg.(string); ok {
		return []byte(s)
	}
	return arg.([]byte)
}

func put(t testing.TB, to []byte, arg any) {
	t.Helper()
	var v uint64
	switch a := arg.(type) {
	case []byte:
		if copy(to, a); len(a) != len(to) {
			t.Fatalf("%d bytes for a structure of %d", len(a), len(to))
		}
		return
	case int:
		v = uint64(a)
	case int32:
		v = uint64(uint32(a))
	case uint32:
		v = uint64(a)
	case uint64:
		v = a
	case float32:
		v = uint64(math.Float32bits(a))
	default:
		t.Fatalf("argument of type %T", arg)
	}
	if len(to) == 4 {
		binary.LittleEndian.PutUint32(to, uint32(v))
	} else {
		binary.LittleEndian.PutUint64(to, v)
	}
}

// Push writes a whole record into the ring and rings the doorbell if the
// executor sleeps.
func (g *Guest) Push(record []byte) {
	g.T.Helper()
	lines := (uint64(len(record)) + window.Line - 1) / window.Line * window.Line
	deadline := time.Now().Add(Timeout)
	for g.tail+lines-g.Head() > window.RingSize {
		if time.Now().After(deadline) || g.Over != nil && g.Over() {
			g.T.Fatal("the executor does not consume")
		}
		time.Sleep(50 * time.Microsecond)
	}
	ring := g.Memory()[window.ChRing:]
	for i := window.RecOpcode; i < len(record); i++ {
		ring[(g.tail+uint64(i))%window.RingSize] = record[i]
	}
	at := g.tail % window.RingSize
	g.tail += lines
	g.word64(window.ChTail).Store(g.tail)
	g.word32(window.ChRing + int(at)).Store(binary.LittleEndian.Uint32(record))
	g.WakeExecutor()
}

// WakeExecutor rings the doorbell if the executor sleeps.
func (g *Guest) WakeExecutor() {
	if g.word32(window.ChSleeping).Load() != 0 {
		_, err := g.Doorbell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
		check(g.T, err)
	}
}

// Post sends a posted op.
func (g *Guest) Post(name string, args ...any) {
	g.T.Helper()
	g.Push(g.Record(window.NoReply, name, args...))
}

// Call sends a replied op and waits; it returns CUresult and reply data.
func (g *Guest) Call(name string, args ...any) (uint32, []byte) {
	g.T.Helper()
	const slot = 3
	record := g.Record(slot, name, args...)
	g.Push(record)
	result, data, err := g.Await(slot, g.sequence)
	if err != nil {
		g.T.Fatalf("%s: %v", name, err)
	}
	return result, data
}

// Must is Call that fails the test unless the result is 0.
func (g *Guest) Must(name string, args ...any) []byte {
	g.T.Helper()
	result, data := g.Call(name, args...)
	if result != 0 {
		g.T.Fatalf("%s failed with %d", name, result)
	}
	return data
}

// Await waits for a reply.
func (g *Guest) Await(slot int, sequence uint32) (uint32, []byte, error) {
	at := window.ChReplies + slot*window.ReplySize
	if !g.WaitFor(func() bool { return g.word32(at+window.RepSeq).Load() == sequence }) {
		return 0, nil, fmt.Errorf("no reply; sticky %d, async %d by %#x", g.Sticky(), g.word32(window.ChAsync).Load(), g.word32(window.ChAsyncOpcode).Load())
	}
	length := g.word32(at + window.RepLength).Load()
	data := append([]byte(nil), g.Memory()[at+window.RepData:at+window.RepData+int(length)]...)
	return g.word32(at + window.RepResult).Load(), data, nil
}

// WaitFor polls until done is true; false after Timeout.
func (g *Guest) WaitFor(done func() bool) bool {
	for deadline := time.Now().Add(Timeout); !done(); time.Sleep(20 * time.Microsecond) {
		if time.Now().After(deadline) || g.Over != nil && g.Over() {
			return false
		}
	}
	return true
}

// Fence posts a fence on the stream and waits for it or a sticky error, which it
// returns.
func (g *Guest) Fence(stream uint32, slot, value uint32) uint32 {
	g.T.Helper()
	g.Post("fence", stream, slot, value)
	if !g.WaitFor(func() bool { return g.FenceWord(slot) == value || g.Sticky() != 0 }) {
		g.T.Fatalf("fence %d never became %d", slot, value)
	}
	return g.Sticky()
}

// FenceWord reads a fence word.
func (g *Guest) FenceWord(slot uint32) uint32 {
	return g.word32(window.ChFences + int(slot)*4).Load()
}

// Sticky reads the STICKY word.
func (g *Guest) Sticky() uint32 { return g.word32(window.ChSticky).Load() }

// TakeAsync takes the failure of a posted op and its opcode.
func (g *Guest) TakeAsync() (result, opcode uint32) {
	result = g.word32(window.ChAsync).Swap(0)
	return result, g.word32(window.ChAsyncOpcode).Load()
}

// Sequence is the number of the last record.
func (g *Guest) Sequence() uint32 { return g.sequence }

// Head is how far the executor has consumed.
func (g *Guest) Head() uint64 { return g.word64(window.ChHead).Load() }

// Tail is how far the guest has reserved.
func (g *Guest) Tail() uint64 { return g.tail }

// Sleeping reads the SLEEPING word.
func (g *Guest) Sleeping() bool { return g.word32(window.ChSleeping).Load() != 0 }

// StoreTail says how far the guest has reserved, true or not.
func (g *Guest) StoreTail(tail uint64) { g.word64(window.ChTail).Store(tail) }

// StoreRing stores a word at a position of the ring below RingSize.
func (g *Guest) StoreRing(at uint64, value uint32) {
	g.word32(window.ChRing + int(at)).Store(value)
}

// Memory is the channel.
func (g *Guest) Memory() []byte { return g.Window.Channel(g.channel) }
