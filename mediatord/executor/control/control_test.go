package control

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

type pipe struct {
	io.Reader
	bytes.Buffer
}

func (p *pipe) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func TestSendWritesLines(t *testing.T) {
	var p pipe
	c := NewPlain(&p)
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
	if got := p.String(); got != want {
		t.Errorf("wrote\n%s\nwant\n%s", got, want)
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
		m, err := NewPlain(&pipe{Reader: strings.NewReader(tc.in)}).Receive()
		if (err != nil) != tc.err || !tc.err && (m.Type != tc.kind || m.Chunk != nil && *m.Chunk != tc.chunk) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if name == "end of mediatord" && err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}
