// Package control is an executor's side of its control socket to mediatord: one
// JSON object per line in each direction (docs/architecture.md).
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/rights"
)

// Types of message.
const (
	Ready   = "ready"
	Log     = "log"
	Fault   = "fault"
	Revoked = "revoked"
	Refused = "refused"
	Revoke  = "revoke"
	Stop    = "stop"
	Serve   = "serve"   // to a warm executor, before go: whom it is for
	Go      = "go"      // first of all: the process is where it belongs
	Look    = "look"    // has the GPU got on? The answer is in the lease
	Resume  = "resume"  // another mediatord has the other end now
	Resumed = "resumed" // all that was asked before resume is answered
	Park    = "park"    // move device memory to host memory
	Parking = "parking" // how much is there; answers park
	Room    = "room"    // the GPU has too little memory for the process, or perhaps for its contexts; and the answer
	// and those of package parcel
)

// maxLine bounds a message from mediatord.
const maxLine = 64 << 10

// Message is one line. Which fields count follows from Type.
type Message struct {
	Type    string        `json:"type"`
	Level   string        `json:"level,omitempty"`   // log
	Message string        `json:"message,omitempty"` // log, fault
	Result  driver.Result `json:"result,omitempty"`  // fault
	Chunk   *int          `json:"chunk,omitempty"`   // revoke, revoked
	Name    string        `json:"name,omitempty"`    // refused: driver function
	Count   uint64        `json:"count,omitempty"`   // refused: calls since the last message

	Walls string `json:"walls,omitempty"` // ready, resumed: those that stand, with commas between

	Bytes uint64 `json:"bytes,omitempty"` // park: at most; room
	// Context: the contexts too: park; they are not on the GPU: resumed, parking; the bytes are
	// all that they need to return: room.
	Context bool `json:"context,omitempty"`
	Never   bool `json:"never,omitempty"` // parking: there is no use in asking for the contexts again
	Heard   bool `json:"heard,omitempty"` // room: the answer follows
	Made    bool `json:"made,omitempty"`  // room: it was made, or is there
	Seen    bool `json:"seen,omitempty"`  // room: mediatord has seen how much the GPU has
	// Parked is device memory that was moved, Host the host memory that holds it,
	// or that is being given back: resumed, parking.
	Parked uint64 `json:"parked,omitempty"`
	Host   uint64 `json:"host,omitempty"`
	Answer bool   `json:"answer,omitempty"` // parking: to park

	Parcel *parcel.Parcel `json:"parcel,omitempty"`
	Serve  *Assignment    `json:"serve,omitempty"`
}

// Assignment says to a warm executor what others are told by their arguments and
// by their descriptors from 4 on.
type Assignment struct {
	Arguments []string   `json:"arguments"`
	Count     int        `json:"files"`
	Files     []*os.File `json:"-"` // the receiver's
}

// MaxFiles bounds the descriptors of an assignment.
const MaxFiles = 8

// Conn sends and receives. Send may be used by several goroutines.
type Conn struct {
	w *rights.Conn
	r *bufio.Scanner
}

// New speaks over a socket.
func New(socket *os.File) *Conn {
	c := rights.New(socket)
	s := bufio.NewScanner(c)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return &Conn{w: c, r: s}
}

// Send writes one message. A parcel's file goes with it and stays the caller's.
func (c *Conn) Send(m Message) error {
	var file *os.File
	if m.Parcel != nil {
		file = m.Parcel.File
		m.Parcel.Descriptor = file != nil
	}
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding %s message: %w", m.Type, err)
	}
	if err := c.w.Send(append(line, '\n'), file); err != nil {
		return fmt.Errorf("sending %s message: %w", m.Type, err)
	}
	return nil
}

// Receive waits for the next message; io.EOF when mediatord has gone. A
// parcel's file is the caller's. What a newer mediatord might say and this
// version does not know is passed over.
func (c *Conn) Receive() (Message, error) {
	for {
		m, err := c.receive()
		if err != nil {
			return m, err
		}
		switch m.Type {
		case Stop, Go, Resume, Park, Room, Look:
			return m, nil
		case Serve:
			return m, c.takeFiles(m.Serve)
		case Revoke:
			if m.Chunk == nil {
				return m, errors.New("reading message: revoke names no chunk")
			}
			return m, nil
		case parcel.Export, parcel.Acquired:
			return m, c.complete(m.Parcel, m.Type)
		}
	}
}

// takeFiles gives an assignment the descriptors that came with it.
func (c *Conn) takeFiles(a *Assignment) error {
	if a == nil || a.Count < 0 || a.Count > MaxFiles {
		return errors.New("reading message: serve says nothing, or too much")
	}
	for range a.Count {
		f, err := c.w.Take()
		if err != nil {
			return fmt.Errorf("reading serve message: %w", err)
		}
		a.Files = append(a.Files, f)
	}
	return nil
}

// complete checks a parcel and gives it its descriptor.
func (c *Conn) complete(p *parcel.Parcel, kind string) error {
	err := p.Check()
	if err == nil && p.Descriptor {
		p.File, err = c.w.Take()
	}
	if err != nil {
		return fmt.Errorf("reading %s message: %w", kind, err)
	}
	return nil
}

// receive reads the next line that is not empty. A line that mediatord did not
// finish before it died is followed by an empty one and resume.
func (c *Conn) receive() (Message, error) {
	var broken error
	for c.r.Scan() {
		if len(c.r.Bytes()) == 0 {
			continue
		}
		var m Message
		err := json.Unmarshal(c.r.Bytes(), &m)
		switch {
		case err == nil && broken == nil:
			return m, nil
		case err == nil && m.Type == Resume:
			c.w.Drop() // what came with the unfinished line
			return m, nil
		case broken != nil:
			return Message{}, broken
		}
		broken = fmt.Errorf("reading message %.100q: %w", c.r.Text(), err)
	}
	// A mediatord that ends with words of ours unread resets the connection.
	if err := c.r.Err(); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return Message{}, fmt.Errorf("reading message: %w", err)
	}
	return Message{}, io.EOF
}

// Logger returns a logger whose lines mediatord receives as log messages.
func (c *Conn) Logger(fields logrus.Fields) logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.DebugLevel)
	l.AddHook(logHook{c})
	return l.WithFields(fields)
}

type logHook struct{ conn *Conn }

func (logHook) Levels() []logrus.Level { return logrus.AllLevels }

func (h logHook) Fire(e *logrus.Entry) error {
	text := e.Message
	if err, ok := e.Data[logrus.ErrorKey]; ok {
		text = fmt.Sprintf("%s: %v", text, err)
	}
	return h.conn.Send(Message{Type: Log, Level: e.Level.String(), Message: text})
}
