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
	"sync"

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

	Parcel *parcel.Parcel `json:"parcel,omitempty"`
}

// Conn sends and receives. Send may be used by several goroutines.
type Conn struct {
	w carrier
	r *bufio.Scanner
}

// carrier takes a line with its descriptor, and gives the descriptors that came
// with lines.
type carrier interface {
	io.Reader
	Send(line []byte, file *os.File) error
	Take() (*os.File, error)
}

// New speaks over a socket.
func New(socket *os.File) *Conn { return newConn(rights.New(socket)) }

// NewPlain speaks over rw, which carries no descriptors.
func NewPlain(rw io.ReadWriter) *Conn { return newConn(&plain{ReadWriter: rw}) }

func newConn(c carrier) *Conn {
	s := bufio.NewScanner(c)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return &Conn{w: c, r: s}
}

type plain struct {
	io.ReadWriter
	mu sync.Mutex
}

func (p *plain) Send(line []byte, file *os.File) error {
	if file != nil {
		return rights.ErrDescriptor
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.Write(line)
	return err
}

func (p *plain) Take() (*os.File, error) { return nil, rights.ErrDescriptor }

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
// parcel's file is the caller's.
func (c *Conn) Receive() (Message, error) {
	if !c.r.Scan() {
		if err := c.r.Err(); err != nil {
			return Message{}, fmt.Errorf("reading message: %w", err)
		}
		return Message{}, io.EOF
	}
	var m Message
	if err := json.Unmarshal(c.r.Bytes(), &m); err != nil {
		return Message{}, fmt.Errorf("reading message %.100q: %w", c.r.Text(), err)
	}
	switch m.Type {
	case Stop:
	case Revoke:
		if m.Chunk == nil {
			return m, errors.New("reading message: revoke names no chunk")
		}
	case parcel.Export, parcel.Acquired:
		if err := m.Parcel.Check(); err != nil {
			return m, fmt.Errorf("reading %s message: %w", m.Type, err)
		}
	default:
		return m, fmt.Errorf("reading message: unknown type %q", m.Type)
	}
	if m.Parcel == nil || !m.Parcel.Descriptor {
		return m, nil
	}
	var err error
	if m.Parcel.File, err = c.w.Take(); err != nil {
		return m, fmt.Errorf("reading %s message: %w", m.Type, err)
	}
	return m, nil
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
