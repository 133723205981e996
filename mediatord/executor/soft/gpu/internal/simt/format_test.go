package simt

import (
	"encoding/binary"
	"math"
	"testing"
)

// arguments are laid out as a kernel does for vprintf.
func arguments(args ...any) ([]byte, []string) {
	var b []byte
	var texts []string
	put := func(v uint64, size int) {
		for len(b)%size != 0 {
			b = append(b, 0xee)
		}
		b = append(b, binary.LittleEndian.AppendUint64(nil, v)[:size]...)
	}
	for _, arg := range args {
		switch a := arg.(type) {
		case int:
			put(uint64(a), 4)
		case int64:
			put(uint64(a), 8)
		case float64:
			put(math.Float64bits(a), 8)
		case string:
			texts = append(texts, a)
			put(uint64(len(texts)-1), 8)
		}
	}
	return b, texts
}

func TestFormatPrintsAsC(t *testing.T) {
	for _, tc := range []struct {
		format string
		args   []any
		want   string
	}{
		{"plain\n", nil, "plain\n"},
		{"%d %i %u|%5d|%-5d|%05d|%+d|% d", []any{-1, 2, -3, 42, 42, 42, 42, 42}, "-1 2 4294967293|   42|42   |00042|+42| 42"},
		{"%lld %ld %llu %zu", []any{int64(-5), int64(6), int64(-1), int64(7)}, "-5 6 18446744073709551615 7"},
		{"%hd %hhd %hu %hhu", []any{70000, 300, 70000, 300}, "4464 44 4464 44"},
		{"%x %X %#x %o %08x", []any{255, 255, 255, 8, 255}, "ff FF 0xff 10 000000ff"},
		{"%f %.2f %8.3f %e %g %g %G", []any{1.5, 2.345, -3.14159, 12345.678, 0.0001, 1e20, 1e-10}, "1.500000 2.35   -3.142 1.234568e+04 0.0001 1e+20 1E-10"},
		{"%f %5f %+f %g", []any{math.Inf(1), math.Inf(-1), math.Inf(1), math.NaN()}, "inf  -inf +inf nan"},
		{"%s|%10s|%-10s|%.3s", []any{"one", "two", "three", "fourth"}, "one|       two|three     |fou"},
		{"%c%c%3c", []any{'a' + 0, 'b' + 0, 'c' + 0}, "ab  c"},
		{"%p", []any{int64(0x1234)}, "0x1234"},
		{"%d%% of %*d, %.*f", []any{50, 6, 99, 2, 1.239}, "50% of     99, 1.24"},
		{"%-*d|", []any{6, 5}, "5     |"},
		{"mixed %d %f %d %s", []any{1, 2.0, 3, "four"}, "mixed 1 2.000000 3 four"},
		{"end %", nil, "end %"},
		{"unknown %y", nil, "unknown %y"},
	} {
		for i, a := range tc.args { // characters travel as int
			if r, ok := a.(rune); ok {
				tc.args[i] = int(r)
			}
		}
		memory, texts := arguments(tc.args...)
		f := formatter{
			read: func(at, size uint64) uint64 {
				var word [8]byte
				copy(word[:], memory[at:at+size])
				return binary.LittleEndian.Uint64(word[:])
			},
			text: func(address uint64) string { return texts[address] },
		}
		if got := f.format(tc.format); got != tc.want {
			t.Errorf("%q printed %q, want %q", tc.format, got, tc.want)
		}
		if f.count != uint64(len(tc.args)) {
			t.Errorf("%q took %d arguments of %d", tc.format, f.count, len(tc.args))
		}
	}
}
