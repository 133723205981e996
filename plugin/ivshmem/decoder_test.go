package ivshmem

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// message is one setup message; fd 0 stands for none, so that a literal needs only the value.
type message struct {
	value int64
	fd    int
}

// setup is a correct handshake of a device with two vectors.
func setup() []message {
	return []message{{0, 0}, {1, 0}, {-1, 10}, {0, 11}, {0, 12}, {1, 13}, {1, 14}}
}

func decode(d *decoder, messages []message) (complete bool, err error) {
	for _, m := range messages {
		fd := m.fd
		if fd == 0 {
			fd = noFD
		}
		if complete, err = d.take(m.value, fd); err != nil {
			return false, err
		}
	}
	return complete, nil
}

func TestDecoder(t *testing.T) {
	d := newDecoder(2)
	if complete, err := decode(d, setup()[:6]); complete || err != nil {
		t.Fatalf("before the last message: %v, %v", complete, err)
	}
	complete, err := d.take(1, 14)
	if !complete || err != nil || d.id != 1 || d.window != 10 || len(d.doorbells) != 2 || d.doorbells[1] != 12 || d.interrupts[1] != 14 {
		t.Errorf("%v, %v: %+v", complete, err, d)
	}
}

func TestDecoderRefuses(t *testing.T) {
	with := func(index int, m message) []message {
		messages := setup()
		messages[index] = m
		return messages
	}
	cases := []struct {
		name     string
		messages []message
		mentions string
	}{
		{"version", with(0, message{1, 0}), "version is 1"},
		{"version with descriptor", with(0, message{0, 9}), "must not"},
		{"id below", with(1, message{-1, 0}), "own id is -1"},
		{"id of the host", with(1, message{0, 0}), "own id is 0"},
		{"id above", with(1, message{65536, 0}), "own id is 65536"},
		{"id with descriptor", with(1, message{1, 9}), "must not"},
		{"no memory", with(2, message{0, 11}), "place of the shared memory"},
		{"memory without descriptor", with(2, message{-1, 0}), "no file descriptor"},
		{"memory twice", with(3, message{-1, 9}), "peer id is -1"},
		{"vector without descriptor", with(4, message{0, 0}), "vector 1 of it has no file descriptor"},
		{"peer above", with(3, message{1 << 40, 9}), "peer id is 1099511627776"},
		{"third peer", with(3, message{2, 9}), "only the host 0 and this peer 1"},
		{"too many vectors", with(5, message{0, 9}), "more than 2 vectors"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			complete, err := decode(newDecoder(2), c.messages)
			if complete || !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), c.mentions) {
				t.Errorf("got %v, %v; want mention of %q", complete, err, c.mentions)
			}
		})
	}
}

// TestDialRefuses lets a bad server speak to Dial over a real socket and checks that no descriptor stays behind.
func TestDialRefuses(t *testing.T) {
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	words := func(values ...int64) []byte {
		var b []byte
		for _, value := range values {
			b = binary.LittleEndian.AppendUint64(b, uint64(value))
		}
		return b
	}
	write := func(t *testing.T, socket *net.UnixConn, text []byte, fds ...int) {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		if _, _, err := socket.WriteMsgUnix(text, rights, nil); err != nil {
			t.Error(err)
		}
	}
	null := int(file.Fd())
	cases := []struct {
		name string
		say  func(*testing.T, *net.UnixConn)
		want error
	}{
		{"nothing", func(*testing.T, *net.UnixConn) {}, io.EOF},
		{"half a message", func(t *testing.T, s *net.UnixConn) { write(t, s, words(0)[:3]) }, io.ErrUnexpectedEOF},
		{"wrong version", func(t *testing.T, s *net.UnixConn) { write(t, s, words(7)) }, ErrProtocol},
		{"refusal", func(t *testing.T, s *net.UnixConn) { write(t, s, words(-2)) }, ErrRefused},
		{"late refusal", func(t *testing.T, s *net.UnixConn) { write(t, s, words(0, 1, -2)) }, ErrRefused},
		{"no memory", func(t *testing.T, s *net.UnixConn) { write(t, s, words(0, 1, -1)) }, ErrProtocol},
		{"two descriptors", func(t *testing.T, s *net.UnixConn) { write(t, s, words(0, 1)); write(t, s, words(-1), null, null) }, ErrProtocol},
		{"many descriptors", func(t *testing.T, s *net.UnixConn) {
			write(t, s, words(0, 1))
			write(t, s, words(-1), null, null, null, null)
		}, ErrProtocol},
		{"a descriptor per half", func(t *testing.T, s *net.UnixConn) {
			write(t, s, words(0, 1))
			write(t, s, words(-1)[:4], null)
			write(t, s, words(-1)[4:], null)
		}, ErrProtocol},
		{"too many vectors", func(t *testing.T, s *net.UnixConn) {
			write(t, s, words(0, 1))
			for _, value := range []int64{-1, 0, 0} {
				write(t, s, words(value), null)
			}
		}, ErrProtocol},
		{"cut off", func(t *testing.T, s *net.UnixConn) {
			write(t, s, words(0, 1))
			write(t, s, words(-1), null)
			write(t, s, words(0), null)
		}, io.EOF},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			listener, path := newListener(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				socket, err := listener.AcceptUnix()
				if err != nil {
					t.Error(err)
					return
				}
				c.say(t, socket)
				socket.Close()
			}()
			before := strings.Count(openFiles(t), "/dev/null")
			peer, err := Dial(t.Context(), path, 1)
			<-done
			if !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v; want %v", peer, err, c.want)
			}
			if after := strings.Count(openFiles(t), "/dev/null"); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestDialDeadline(t *testing.T) {
	_, path := newListener(t) // it never accepts
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if peer, err := Dial(ctx, path, 1); !errors.Is(err, ctx.Err()) || ctx.Err() == nil {
		t.Errorf("got %+v, %v", peer, err)
	}
}

// FuzzDecoder takes 9 bytes a message: whether it has a descriptor, and its value.
func FuzzDecoder(f *testing.F) {
	encode := func(messages []message) []byte {
		var b []byte
		for _, m := range messages {
			b = append(b, byte(m.fd))
			b = binary.LittleEndian.AppendUint64(b, uint64(m.value))
		}
		return b
	}
	f.Add(byte(2), encode(setup()))
	f.Add(byte(1), encode([]message{{0, 0}, {1, 0}, {-1, 10}, {1, 11}, {0, 12}}))
	f.Add(byte(2), encode([]message{{0, 0}, {1, 0}, {-1, 10}, {2, 11}}))
	f.Add(byte(2), encode([]message{{0, 0}, {1, 0}, {-1, 0}}))
	f.Add(byte(255), encode([]message{{1, 0}}))
	f.Fuzz(func(t *testing.T, vectors byte, stream []byte) {
		d := newDecoder(int(vectors) + 1)
		taken := map[int]bool{}
		for next := 1; len(stream) >= 9; next++ {
			value, fd := int64(binary.LittleEndian.Uint64(stream[1:])), noFD
			if stream[0] != 0 {
				fd = next
			}
			stream = stream[9:]
			complete, err := d.take(value, fd)
			if err != nil {
				if !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrRefused) {
					t.Fatalf("error %v has no kind", err)
				}
				break
			}
			if fd != noFD {
				taken[fd] = true
			}
			if !complete {
				continue
			}
			if d.id < 1 || d.id > maxID || !taken[d.window] || len(d.doorbells) != d.vectors || len(d.interrupts) != d.vectors {
				t.Fatalf("complete with %+v", d)
			}
			break
		}
		kept := len(d.doorbells) + len(d.interrupts)
		if d.window != noFD {
			kept++
		}
		if kept != len(taken) {
			t.Fatalf("took %d descriptors and keeps %d", len(taken), kept)
		}
	})
}
