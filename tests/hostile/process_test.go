package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

// Kinds of messages, guest/include/vgpu_socket.h.
const (
	open  = 1
	start = 2
	alloc = 3
	free  = 4
	hold  = 5
	look  = 6

	magic       = 0x56475055
	messageSize = 40
)

// message is struct vgpu_socket_message.
type message struct {
	kind, channel, count uint32
	offset               uint64
}

func dial(socket string) (*net.UnixConn, error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(20 * time.Minute))
}

func (m message) encode() []byte {
	out := make([]byte, messageSize)
	le := binary.LittleEndian
	for i, word := range []uint32{magic, m.kind, 0, window.LayoutVersion, m.channel, m.count} {
		le.PutUint32(out[i*4:], word)
	}
	le.PutUint64(out[24:], m.offset)
	le.PutUint64(out[32:], 1)
	return out
}

// tell sends what has no reply.
func tell(conn *net.UnixConn, m message) error {
	_, err := conn.Write(m.encode())
	return err
}

// ask sends a request; an errno in the reply is an error.
func ask(conn *net.UnixConn, m message) (message, []*os.File, error) {
	if _, err := conn.Write(m.encode()); err != nil {
		return message{}, nil, err
	}
	le := binary.LittleEndian
	in, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4*3))
	n, controlled, _, _, err := conn.ReadMsgUnix(in, control)
	if err != nil {
		return message{}, nil, err
	}
	if n != messageSize {
		return message{}, nil, fmt.Errorf("a reply of %d bytes", n)
	}
	if number := le.Uint32(in[8:]); number != 0 {
		return message{}, nil, syscall.Errno(number)
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	if err != nil {
		return message{}, nil, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return message{}, nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return message{le.Uint32(in[4:]), le.Uint32(in[16:]), le.Uint32(in[20:]), le.Uint64(in[24:])}, files, nil
}

// process is a guest process with a channel.
type process struct {
	*guesttest.Guest
	conn   *net.UnixConn
	number int // of the channel
}

// errNotReady: the executor did not come.
var errNotReady = errors.New("the executor is not ready")

// connect opens a channel of the socket's domain and starts its executor.
func connect(t testing.TB, socket string) (*process, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, err
	}
	reply, files, err := ask(conn, message{kind: open})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	w, err := window.Map(files[0])
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	number := int(reply.channel)
	p := &process{Guest: guesttest.Attach(t, w, number, files[1], files[2]), conn: conn, number: number}
	if _, _, err := ask(conn, message{kind: start}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for deadline := time.Now().Add(timeout); w.ChannelState(number) != window.HostReady; time.Sleep(time.Millisecond) {
		if w.ChannelState(number) == window.HostFailed || time.Now().After(deadline) {
			result, text := w.Failure(number)
			return nil, errors.Join(fmt.Errorf("%w: %d %s", errNotReady, result, text), p.close())
		}
	}
	return p, nil
}

// process is connect that must succeed; it ends with the test at the latest.
func (d *domain) process() *process {
	d.Helper()
	p, err := connect(d, d.socket)
	check(d, err)
	d.Cleanup(func() { _ = p.close() })
	return p
}

// close ends the process for mediatord, as its death does.
func (p *process) close() error {
	if p.conn == nil {
		return nil
	}
	err := p.conn.Close()
	p.conn = nil
	return errors.Join(err, p.Window.Close(), p.Doorbell.Close(), p.Interrupt.Close())
}

// chunks takes chunks of the arena and returns the first one's number.
func (p *process) chunks(count int) (int, error) {
	reply, _, err := ask(p.conn, message{kind: alloc, count: uint32(count)})
	return int(reply.offset / window.ChunkSize), err
}

// Addresses that processes use.
const (
	pinned = window.PinnedBase + 1<<30
	device = window.DeviceBase + 1<<30
)

// worker is a well-behaved process: it has memory and a kernel, and computes.
type worker struct {
	*process
	memory []byte // pinned
	round  uint32
}

const increment = `.version 7.0
.target sm_70
.address_size 64
.visible .entry add(.param .u64 at, .param .u32 what)
{
	.reg .b32 %r<6>;
	.reg .b64 %rd<4>;
	ld.param.u64 %rd1, [at];
	ld.param.u32 %r1, [what];
	mov.u32 %r2, %tid.x;
	mul.wide.u32 %rd2, %r2, 4;
	add.s64 %rd3, %rd1, %rd2;
	ld.global.u32 %r3, [%rd3];
	add.u32 %r4, %r3, %r1;
	st.global.u32 [%rd3], %r4;
	ret;
}
`

const words = 64 // that a round computes

// work prepares a process to compute.
func (p *process) work() (*worker, error) {
	p.Must("primary_retain", 0)
	p.Context = 1
	image := increment + "\x00"
	if cached := binary.LittleEndian.Uint32(p.Must("image_begin", 1, len(image), digest(image))); cached == 0 {
		p.Post("image_inline", 1, image)
	}
	p.Must("module_load", 1, 1, 0, "")
	p.Must("module_function", 1, 1, "add")
	p.Post("stream_create", 1, 1, 0)
	first, err := p.chunks(1)
	if err != nil {
		return nil, err
	}
	p.Must("map_pinned", pinned, uint64(first)*window.ChunkSize, 1, 0)
	p.Must("mem_block", device, 2<<20)
	return &worker{process: p, memory: p.Window.ChunkMemory(first)}, nil
}

// compute does a round and checks its result.
func (w *worker) compute() error {
	w.round++
	for i := range words {
		binary.LittleEndian.PutUint32(w.memory[i*4:], uint32(i)*w.round)
	}
	w.Post("copy_htod", device, pinned, words*4, 1)
	params := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, device), w.round)
	w.Post("launch", 1, 1, 1, 1, words, 1, 1, 0, 1, params)
	w.Post("copy_dtoh", pinned+4096, device, words*4, 1)
	if sticky := w.Fence(1, 7, w.round); sticky != 0 {
		return fmt.Errorf("round %d: sticky error %d", w.round, sticky)
	}
	for i := range words {
		if got, want := binary.LittleEndian.Uint32(w.memory[4096+i*4:]), uint32(i)*w.round+w.round; got != want {
			return fmt.Errorf("round %d: word %d is %d, should be %d", w.round, i, got, want)
		}
	}
	if result, opcode := w.TakeAsync(); result != 0 {
		return fmt.Errorf("round %d: op %#x failed with %d", w.round, opcode, result)
	}
	return nil
}
