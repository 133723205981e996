package window

import (
	"bytes"
	"encoding/binary"
)

// Process names the guest process that has a channel open, in the guest's own
// words: nothing in it may be believed, only shown.
type Process struct {
	PID  uint32
	UID  uint32
	Comm string // at most 16 bytes, printable ASCII
}

// Guest reads the guest's half of channel i's control entry. State and
// generation are one atomic copy; the state may be any number.
func (w *Window) Guest(i int) (state GuestState, generation uint32) {
	v := w.double(w.controlEntry(i) + CtlGuestState).Load()
	return GuestState(uint32(v)), uint32(v >> 32)
}

// SetGuest writes the guest's half; only the guest kernel's part may.
func (w *Window) SetGuest(i int, state GuestState, generation uint32) {
	w.double(w.controlEntry(i) + CtlGuestState).Store(uint64(generation)<<32 | uint64(state))
}

// Host reads mediatord's half of channel i's control entry.
func (w *Window) Host(i int) (state HostState, generation uint32) {
	v := w.double(w.controlEntry(i) + CtlHostState).Load()
	return HostState(uint32(v)), uint32(v >> 32)
}

// SetHost writes mediatord's half: state and generation become visible at once.
func (w *Window) SetHost(i int, state HostState, generation uint32) {
	w.double(w.controlEntry(i) + CtlHostState).Store(uint64(generation)<<32 | uint64(state))
}

// Process reads who has channel i open. Unprintable bytes of the name become
// '?', so that it can be logged.
func (w *Window) Process(i int) Process {
	at := w.controlEntry(i)
	var comm [16]byte
	for j := uint64(0); j < 16; j += 4 {
		binary.LittleEndian.PutUint32(comm[j:], w.word(at+CtlComm+j).Load())
	}
	name, _, _ := bytes.Cut(comm[:], []byte{0})
	for j, c := range name {
		if c < ' ' || c > '~' {
			name[j] = '?'
		}
	}
	return Process{
		PID:  w.word(at + CtlPID).Load(),
		UID:  w.word(at + CtlUID).Load(),
		Comm: string(name),
	}
}

// SetProcess writes who has channel i open; only the guest kernel's part may.
func (w *Window) SetProcess(i int, p Process) {
	at := w.controlEntry(i)
	var comm [16]byte
	copy(comm[:15], p.Comm)
	for j := uint64(0); j < 16; j += 4 {
		w.word(at + CtlComm + j).Store(binary.LittleEndian.Uint32(comm[j:]))
	}
	w.word(at + CtlPID).Store(p.PID)
	w.word(at + CtlUID).Store(p.UID)
}

func (w *Window) controlEntry(i int) uint64 {
	if err := w.CheckChannel(i); err != nil {
		panic(err)
	}
	return w.ControlAt + uint64(i)*CtlEntrySize
}
