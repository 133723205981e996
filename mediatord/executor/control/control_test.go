package control

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// pair is a connection and mediatord's end of its socket.
func pair(t *testing.T) (*Conn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "executor's end"), os.NewFile(uintptr(fds[1]), "mediatord's end")
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return New(ours), theirs
}

func TestSendWritesLines(t *testing.T) {
	c, mediatord := pair(t)
	chunk := 0
	for _, m := range []Message{
		{Type: Ready}, {Type: Fault, Result: 700, Message: "a\nb"}, {Type: Revoked, Chunk: &chunk}, {Type: Refused, Name: "cuFoo", Count: 2},
	} {
		if err := c.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	c.Logger(nil).WithError(errors.New("cause")).Warn("text")
	c.Logger(logrus.Fields{}).Debug("detail")
	want := `{"type":"ready"}
{"type":"fault","message":"a\nb","result":700}
{"type":"revoked","chunk":0}
{"type":"refused","name":"cuFoo","count":2}
{"type":"log","level":"warning","message":"text: cause"}
{"type":"log","level":"debug","message":"detail"}
`
	got := make([]byte, len(want))
	if _, err := io.ReadFull(mediatord, got); err != nil || string(got) != want {
		t.Errorf("wrote\n%s, %v\nwant\n%s", got, err, want)
	}
}

func TestReceive(t *testing.T) {
	for name, tc := range map[string]struct {
		in    string
		kind  string
		chunk int
		err   bool
	}{
		"revoke":           {`{"type":"revoke","chunk":7}`, Revoke, 7, false},
		"stop":             {`{"type":"stop"}`, Stop, 0, false},
		"without chunk":    {`{"type":"revoke"}`, "", 0, true},
		"export":           {`{"type":"export","parcel":{"id":1,"channel":2}}`, "export", 0, false},
		"without parcel":   {`{"type":"export"}`, "", 0, true},
		"impossible":       {`{"type":"acquired","parcel":{"id":1,"channel":99}}`, "", 0, true},
		"no descriptor":    {`{"type":"acquired","parcel":{"id":1,"channel":2,"descriptor":true}}`, "", 0, true},
		"our own":          {`{"type":"exported","parcel":{"id":1,"channel":2}}`, "", 0, true},
		"unknown":          {`{"type":"dance"}` + "\n" + `{"type":"stop"}`, Stop, 0, false},
		"go":               {`{"type":"go"}`, Go, 0, false},
		"another":          {"\n" + `{"type":"resume"}`, Resume, 0, false},
		"half a line":      {`{"type":"acqui` + "\n" + `{"type":"resume"}`, Resume, 0, false},
		"half and more":    {`{"type":"acqui` + "\n" + `{"type":"stop"}`, "", 0, true},
		"no JSON":          {`revoke`, "", 0, true},
		"line too long":    {strings.Repeat("x", maxLine+1), "", 0, true},
		"end of mediatord": {``, "", 0, true},
	} {
		c, mediatord := pair(t)
		if _, err := mediatord.WriteString(tc.in); err != nil {
			t.Fatal(err)
		}
		_ = mediatord.Close()
		m, err := c.Receive()
		if (err != nil) != tc.err || !tc.err && (m.Type != tc.kind || m.Chunk != nil && *m.Chunk != tc.chunk) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if name == "end of mediatord" && err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}
