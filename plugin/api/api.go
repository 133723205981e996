// Package api holds the API table: which function of the CUDA driver is carried
// how (calls.table), and which commands cross the wire (ops.table). It is the
// single source of the call surface: the generator (plugin/cmd/vgpu-apigen)
// writes the guest's stubs and cuGetProcAddress table, the wire structures of
// both sides and the executor's dispatch from it.
package api

import (
	"bufio"
	_ "embed" // the tables
	"fmt"
	"strconv"
	"strings"
)

//go:embed calls.table
var callsTable string

//go:embed ops.table
var opsTable string

// Class says where a driver function is answered.
type Class string

// Classes, as calls.table explains them.
const (
	Local   Class = "local"
	Posted  Class = "posted"
	Replied Class = "replied"
	Refused Class = "refused"
	Data    Class = "data"
)

// Name is an answer of cuGetProcAddress: the base name asked for and the first
// CUDA version (1000 * major + 10 * minor) that gets this symbol.
type Name struct {
	Symbol string
	Base   string
	Since  int
}

// Function is one line of calls.table.
type Function struct {
	Symbol    string
	Base      Name // Base.Base is "" when cuGetProcAddress does not know the symbol
	PerThread Name // PerThread.Symbol is "" when there is no such variant
	Class     Class
	Op        string // op of a generated stub, else ""
}

// Carried reports whether programs can use the function.
func (f Function) Carried() bool { return f.Class != Refused && f.Class != Data }

// Functions parses calls.table.
func Functions() ([]Function, error) {
	var out []Function
	err := eachLine("calls.table", callsTable, func(line string) error {
		w := strings.Fields(line)
		if len(w) != 5 {
			return fmt.Errorf("want 5 columns, have %d", len(w))
		}
		f := Function{Symbol: w[0], Class: Class(w[3])}
		switch f.Class {
		case Local, Posted, Replied, Refused, Data:
		default:
			return fmt.Errorf("unknown class %q", w[3])
		}
		if w[1] != "-" {
			base, since, err := splitVersion(w[1])
			if err != nil {
				return err
			}
			f.Base = Name{Symbol: f.Symbol, Base: base, Since: since}
		}
		if w[2] != "-" {
			symbol, since, err := splitVersion(w[2])
			if err != nil {
				return err
			}
			f.PerThread = Name{Symbol: symbol, Base: f.Base.Base, Since: since}
		}
		if op, ok := strings.CutPrefix(w[4], "auto:"); ok {
			f.Op = op
		} else if (w[4] == "hand") != f.Carried() {
			return fmt.Errorf("class %s does not go with implementation %q", f.Class, w[4])
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

func splitVersion(s string) (string, int, error) {
	name, version, ok := strings.Cut(s, "@")
	if !ok {
		return "", 0, fmt.Errorf("%q: want NAME@VERSION", s)
	}
	v, err := strconv.Atoi(version)
	if err != nil {
		return "", 0, fmt.Errorf("parsing version of %q: %w", s, err)
	}
	return name, v, nil
}

func eachLine(file, text string, fn func(string) error) error {
	scanner := bufio.NewScanner(strings.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := fn(line); err != nil {
			return fmt.Errorf("reading %s line %d: %w", file, n, err)
		}
	}
	return scanner.Err()
}
