// Package control is an executor's side of its control socket to mediatord: one
// JSON object per line in each direction (docs/architecture.md).
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
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
}

// Conn sends and receives. Send may be used by several goroutines.
type Conn struct {
	mu sync.Mutex
	w  io.Writer
	r  *bufio.Scanner
}

// New speaks over rw.
func New(rw io.ReadWriter) *Conn {
	s := bufio.NewScanner(rw)
	s.Buffer(make([]byte, 0, 4096), maxLine)
	return &Conn{w: rw, r: s}
}

// Send writes one message.
func (c *Conn) Send(m Message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding %s message: %w", m.Type, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("sending %s message: %w", m.Type, err)
	}
	return nil
}

// Receive waits for the next message; io.EOF when mediatord has gone.
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
	switch {
	case m.Type == Revoke && m.Chunk == nil:
		return m, errors.New("reading message: revoke names no chunk")
	case m.Type != Revoke && m.Type != Stop:
		return m, fmt.Errorf("reading message: unknown type %q", m.Type)
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
