package window

import (
	"bytes"
	"encoding/binary"
)

// ChannelState reads channel i's STATE word. The guest process can write it
// too, so it informs and decides nothing.
func (w *Window) ChannelState(i int) HostState {
	return HostState(w.word(w.ChannelOffset(i) + ChState).Load())
}

// SetChannelState tells the guest process where its executor stands.
func (w *Window) SetChannelState(i int, state HostState) {
	w.word(w.ChannelOffset(i) + ChState).Store(uint32(state))
}

// FailChannel makes channel i FAILED: the process answers result (a CUresult)
// from now on and can show message, which is cut to fit.
func (w *Window) FailChannel(i int, result uint32, message string) {
	at := w.ChannelOffset(i)
	text := make([]byte, ChMessageSize)
	copy(text[:ChMessageSize-1], message)
	for j := uint64(0); j < ChMessageSize; j += 8 {
		w.double(at + ChMessage + j).Store(binary.LittleEndian.Uint64(text[j:]))
	}
	w.word(at + ChFailure).Store(result)
	w.SetChannelState(i, HostFailed)
}

// Failure reads back what FailChannel wrote, as the guest process sees it.
func (w *Window) Failure(i int) (result uint32, message string) {
	at := w.ChannelOffset(i)
	text := make([]byte, ChMessageSize)
	for j := uint64(0); j < ChMessageSize; j += 8 {
		binary.LittleEndian.PutUint64(text[j:], w.double(at+ChMessage+j).Load())
	}
	line, _, _ := bytes.Cut(text, []byte{0})
	return w.word(at + ChFailure).Load(), string(line)
}
