package hostproc

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// connectionPair is a process's socket and the other end of it.
func connectionPair(t *testing.T) (process, server *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "connection")
		conn, err := net.FileConn(file)
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		conns[i] = conn.(*net.UnixConn)
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conns[0], conns[1]
}

// TestAdoptedConnectionsGoOn has a process with channel 0, one that holds the
// session, one that ended meanwhile with channel 2, and channel 1 opened for a
// process that was never told.
func TestAdoptedConnectionsGoOn(t *testing.T) {
	w, err := window.Create("test", 32<<20, testChannels)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, state := range []window.GuestState{window.GuestStart, window.GuestOpen, window.GuestOpen} {
		w.SetGuest(i, state, 4)
	}
	fds, err := newEventfds(testChannels+1, eventfds{})
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	held, forgotten := make(chan bool, 4), make(chan int, 4)
	options := Options{
		Window: w, Owner: uint32(os.Getuid()), Log: log, Connected: func() {}, Held: func(holds bool) { held <- holds },
		Doorbells: fds.doorbells[1:], Interrupts: fds.interrupts,
	}
	if _, err := New(options); err == nil {
		t.Fatal("a server with too few eventfds")
	}
	options.Doorbells = fds.doorbells
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	process, ours := connectionPair(t)
	holder, holding := connectionPair(t)
	ended, gone := connectionPair(t)
	_ = ended.Close()
	if _, err := process.Write(Message{Type: TypeOpen, LayoutVersion: window.LayoutVersion, Number: 1}.Encode()); err != nil {
		t.Fatal(err) // it was answered, perhaps, by an earlier mediatord
	}
	kept := []Connection{{Conn: ours, Channel: 0, Opened: 1}, {Conn: holding, Channel: -1, Holds: true}, {Conn: gone, Channel: 2}}
	var forget []func()
	for i := range kept {
		forget = append(forget, func() { forgotten <- i })
	}
	s.Adopt(kept, forget)
	if !<-held {
		t.Error("the session is not held")
	}
	if i := <-forgotten; i != 2 {
		t.Errorf("connection %d was forgotten", i)
	}
	ask := func(m Message) Message {
		t.Helper()
		if m.Number != 1 {
			if _, err := process.Write(m.Encode()); err != nil {
				t.Fatal(err)
			}
		}
		_ = process.SetReadDeadline(time.Now().Add(time.Minute))
		data, oob := make([]byte, 100), make([]byte, 100)
		n, oobn, _, _, err := process.ReadMsgUnix(data, oob)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := Decode(data[:n])
		if err != nil || reply.Number != m.Number {
			t.Fatalf("%+v, %v", reply, err)
		}
		if (oobn > 0) != (m.Type == TypeOpen && reply.Error == 0) {
			t.Errorf("%d bytes of rights came with %+v", oobn, reply)
		}
		return reply
	}
	if reply := ask(Message{Type: TypeOpen, Number: 1}); reply.Error != 0 || reply.Channel != 0 {
		t.Errorf("the repeated answer is %+v", reply)
	}
	if reply := ask(Message{Type: TypeOpen, LayoutVersion: window.LayoutVersion, Number: 2}); reply.Error != int32(unix.EINVAL) {
		t.Errorf("a second channel: %+v", reply)
	}
	if reply := ask(Message{Type: TypeAlloc, Count: 1, Number: 3}); reply.Error != 0 || !w.OwnsChunks(0, 0, 1) {
		t.Errorf("allocating: %+v", reply)
	}
	for channel, want := range []window.GuestState{window.GuestStart, window.GuestClosed, window.GuestClosed} {
		if state, generation := w.Guest(channel); state != want || generation != 4 {
			t.Errorf("channel %d is in state %d, generation %d", channel, state, generation)
		}
	}
	_ = holder.Close()
	if <-held {
		t.Error("the hold did not end")
	}
}
