package api

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func TestFunctionInfoBytes(t *testing.T) {
	f := FunctionInfo{Parameters: []Parameter{{0, 8}, {8, 4}}}
	f.Attributes[0], f.Attributes[10] = 1024, -1
	b, err := f.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 16*4)
	want[1] = 4
	copy(want[40:], "\xff\xff\xff\xff")
	want = append(want, 2, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0)
	if !bytes.Equal(b, want) {
		t.Fatalf("encoded %x, want %x", b, want)
	}
	var back FunctionInfo
	if err := back.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(back, f) {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if err := back.UnmarshalBinary(b[:len(b)-1]); err == nil {
		t.Error("a cut info was accepted")
	}
}

func TestFunctionInfoFitsIntoAReply(t *testing.T) {
	f := FunctionInfo{Parameters: make([]Parameter, MaxParameters)}
	b, err := f.MarshalBinary()
	if err != nil || len(b) > 4080 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	f.Parameters = append(f.Parameters, Parameter{})
	if _, err := f.MarshalBinary(); !errors.Is(err, ErrTooManyParameters) {
		t.Errorf("error is %v", err)
	}
}

func TestJITLogsAreCut(t *testing.T) {
	got := JITLogs([]byte("information"), []byte("bad"), 8+3+4)
	if want := []byte("\x04\x00\x00\x00\x03\x00\x00\x00infobad"); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := JITLogs(nil, []byte("error"), 10); !bytes.Equal(got, []byte("\x00\x00\x00\x00\x02\x00\x00\x00er")) {
		t.Errorf("got %q", got)
	}
}
