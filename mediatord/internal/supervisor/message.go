package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"libvirt-vgpu/mediatord/internal/parcel"
)

// Kind is what an Event tells.
type Kind int

// The kinds of events of an executor.
const (
	Ready    Kind = iota // it consumes the ring; Walls
	Log                  // Level, Text
	Fault                // Result, Text: the context is dead
	Revoked              // Chunk is unmapped
	Refused              // Name was called Count times and is not carried
	Acquire              // it asks for what another executor has; Parcel
	Exported             // the answer of that other one; Parcel
	Resumed              // an adopted one has done what an earlier mediatord asked for; Walls, Parked, Host, Context
	Parking              // device memory was moved, or not: Parked, Host, Context, Answer, Never, Text says why not
	Room                 // it needs Bytes of the GPU's memory that it does not get; Context: for its contexts, in all
	Exited               // reaped; Result and Text are for the guest process. The last event
)

// Event is something an executor said, or its end. Strings are short and
// printable, numbers are as the executor gave them.
type Event struct {
	Kind   Kind
	Level  string
	Text   string
	Result uint32 // CUresult
	Chunk  int
	Name   string
	Walls  string // those that stand, with commas between
	Count  uint64
	Parcel *parcel.Parcel // of Acquire and Exported; its file is the receiver's
	Asked  bool           // of Exited: Stop ended it
	Bytes  uint64
	Parked uint64 // bytes of device memory that lie in host memory
	Host   uint64 // bytes of host memory for that
	// Context: its contexts lie in host memory too; Never: they never will.
	Context, Never bool
	Answer         bool // of Parking: Park asked for it
}

// Close gives back what nobody will use.
func (e *Event) Close() {
	if e.Parcel != nil {
		e.Parcel.Close()
	}
}

// Bounds on what an executor may say.
const (
	maxLine = 64 << 10
	maxText = 1000
	maxName = 128
)

// incoming is one JSON line of an executor.
type incoming struct {
	Type    string `json:"type"`
	Level   string `json:"level"`
	Message string `json:"message"`
	Result  uint32 `json:"result"`
	Chunk   *int   `json:"chunk"`
	Name    string `json:"name"`
	Walls   string `json:"walls"`
	Count   uint64 `json:"count"`
	Bytes   uint64 `json:"bytes"`
	Parked  uint64 `json:"parked"`
	Host    uint64 `json:"host"`
	Answer  bool   `json:"answer"`
	Context bool   `json:"context"`
	Never   bool   `json:"never"`

	Parcel *parcel.Parcel `json:"parcel"`
}

// outgoing is one JSON line to an executor.
type outgoing struct {
	Type  string `json:"type"`
	Chunk *int   `json:"chunk,omitempty"`
	Bytes uint64 `json:"bytes,omitempty"`
	Heard bool   `json:"heard,omitempty"`
	Made  bool   `json:"made,omitempty"`
	Seen  bool   `json:"seen,omitempty"`

	Context bool `json:"context,omitempty"`

	Parcel *parcel.Parcel `json:"parcel,omitempty"`
}

var errMessage = errors.New("invalid message from executor")

func parse(line []byte) (Event, error) {
	var in incoming
	if err := json.Unmarshal(line, &in); err != nil {
		return Event{}, fmt.Errorf("%w: %w", errMessage, err)
	}
	switch in.Type {
	case "ready":
		return Event{Kind: Ready, Walls: printable(in.Walls, maxName)}, nil
	case "resumed":
		return Event{Kind: Resumed, Walls: printable(in.Walls, maxName), Parked: in.Parked, Host: in.Host, Context: in.Context}, nil
	case "log":
		return Event{Kind: Log, Level: in.Level, Text: printable(in.Message, maxText)}, nil
	case "parking":
		return Event{Kind: Parking, Parked: in.Parked, Host: in.Host, Context: in.Context, Never: in.Never, Answer: in.Answer, Text: printable(in.Message, maxText)}, nil
	case "room":
		return Event{Kind: Room, Bytes: in.Bytes, Context: in.Context}, nil
	case "fault":
		if in.Result == 0 {
			return Event{}, fmt.Errorf("%w: a fault without a result", errMessage)
		}
		return Event{Kind: Fault, Result: in.Result, Text: printable(in.Message, maxText)}, nil
	case "revoked":
		if in.Chunk == nil {
			return Event{}, fmt.Errorf("%w: revoked without a chunk", errMessage)
		}
		return Event{Kind: Revoked, Chunk: *in.Chunk}, nil
	case "refused":
		name := printable(in.Name, maxName)
		if name == "" {
			return Event{}, fmt.Errorf("%w: refused without a name", errMessage)
		}
		return Event{Kind: Refused, Name: name, Count: in.Count}, nil
	case parcel.Acquire, parcel.Exported:
		if err := in.Parcel.Check(); err != nil {
			return Event{}, fmt.Errorf("%w: %w", errMessage, err)
		}
		kind := Acquire
		if in.Type == parcel.Exported {
			kind = Exported
		}
		return Event{Kind: kind, Parcel: in.Parcel}, nil
	}
	return Event{}, fmt.Errorf("%w: type %q", errMessage, printable(in.Type, 40))
}

// printable cuts text to limit bytes and replaces what a terminal or a log
// would act on.
func printable(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
