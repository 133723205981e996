package api

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Op is one line of ops.table.
type Op struct {
	Code    uint16
	Name    string // snake_case
	Replied bool
	Native  string // driver symbol, "" for a hand-written handler
	Params  []Param
}

// Role says how a parameter travels.
type Role int

// Roles of a parameter.
const (
	In  Role = iota // in the record
	New             // number of a handle to create, in the record
	Del             // number of a handle to end, in the record
	Out             // in the reply
)

// Param is one parameter of an op.
type Param struct {
	Name string
	Role Role
	Kind string // scalar or handle kind, "device", "fixed", "bytes"
	Size int    // bytes on the wire; 0 for bytes
}

var (
	scalarSizes = map[string]int{"u32": 4, "i32": 4, "f32": 4, "u64": 8, "dptr": 8, "hva": 8, "device": 4}
	// HandleKinds lists the kinds of handle in the order of their Go and C constants.
	HandleKinds = []string{"context", "stream", "event", "module", "function", "library", "kernel", "graph", "graphexec", "memory", "node", "linker", "array", "mipmap", "texref", "surfref", "pool", "desc", "green"}
	opLine      = regexp.MustCompile(`^(0x[0-9a-f]{4})\s+([a-z][a-z0-9_]*)\s+(posted|replied)\s+(?:native=(\w+)\s+)?\((.*)\)$`)
)

// IsHandle reports whether kind names a handle.
func IsHandle(kind string) bool {
	for _, k := range HandleKinds {
		if k == kind {
			return true
		}
	}
	return false
}

// Ops parses ops.table.
func Ops() ([]Op, error) {
	var out []Op
	codes, names := map[uint16]bool{}, map[string]bool{}
	err := eachLine("ops.table", opsTable, func(line string) error {
		m := opLine.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("want OPCODE NAME posted|replied [native=SYMBOL] (KIND NAME, ...)")
		}
		code, err := strconv.ParseUint(m[1], 0, 16)
		if err != nil {
			return fmt.Errorf("parsing opcode: %w", err)
		}
		op := Op{Code: uint16(code), Name: m[2], Replied: m[3] == "replied", Native: m[4]}
		if codes[op.Code] || names[op.Name] {
			return fmt.Errorf("opcode %s or name %s used twice", m[1], m[2])
		}
		codes[op.Code], names[op.Name] = true, true
		if strings.TrimSpace(m[5]) != "" {
			for _, text := range strings.Split(m[5], ",") {
				p, err := parseParam(strings.TrimSpace(text))
				if err != nil {
					return err
				}
				op.Params = append(op.Params, p)
			}
		}
		if err := op.check(); err != nil {
			return err
		}
		out = append(out, op)
		return nil
	})
	return out, err
}

func parseParam(text string) (Param, error) {
	w := strings.Fields(text)
	if len(w) != 2 {
		return Param{}, fmt.Errorf("parameter %q: want KIND NAME", text)
	}
	p := Param{Name: w[1], Kind: w[0]}
	switch kind, rest, _ := strings.Cut(w[0], ":"); {
	case kind == "bytes":
		return p, nil
	case kind == "obytes":
		p.Role, p.Kind = Out, "bytes"
		return p, nil
	case kind == "new" && IsHandle(rest):
		p.Role, p.Kind = New, rest
	case kind == "del" && IsHandle(rest):
		p.Role, p.Kind = Del, rest
	case kind == "in" || kind == "out":
		if kind == "out" {
			p.Role = Out
		}
		p.Kind = rest
		if size, err := strconv.Atoi(rest); err == nil {
			p.Kind, p.Size = "fixed", size
			return p, nil
		}
	}
	switch size, scalar := scalarSizes[p.Kind]; {
	case scalar:
		p.Size = size
	case IsHandle(p.Kind):
		p.Size = 4
	default:
		return Param{}, fmt.Errorf("parameter %q: unknown kind", text)
	}
	return p, nil
}

func (o Op) check() error {
	for i, p := range o.Params {
		switch {
		case p.Role == Out && !o.Replied:
			return fmt.Errorf("%s is posted but returns %s", o.Name, p.Name)
		case p.Kind == "bytes" && o.Native != "":
			return fmt.Errorf("%s is native but has variable data", o.Name)
		case p.Kind == "bytes":
			for _, later := range o.Params[i+1:] {
				if later.Role == p.Role || later.Role != Out {
					return fmt.Errorf("%s: %s must be the last of its direction", o.Name, p.Name)
				}
			}
		}
	}
	return nil
}

// Field is a parameter with its place in the record's payload or the reply's data.
type Field struct {
	Param
	Offset int
}

// Layout places the fixed parameters of one direction with natural alignment
// (handles and scalars by their size, fixed structures by 8) and returns the
// size of the fixed part, a multiple of 8.
func (o Op) Layout(reply bool) ([]Field, int) {
	var fields []Field
	offset := 0
	for _, p := range o.Params {
		if (p.Role == Out) != reply || p.Kind == "bytes" {
			continue
		}
		align := p.Size
		if p.Kind == "fixed" {
			align = 8
		}
		offset = (offset + align - 1) / align * align
		fields = append(fields, Field{Param: p, Offset: offset})
		offset += p.Size
	}
	return fields, (offset + 7) / 8 * 8
}

// Bytes returns the variable parameter of one direction.
func (o Op) Bytes(reply bool) (Param, bool) {
	for _, p := range o.Params {
		if p.Kind == "bytes" && (p.Role == Out) == reply {
			return p, true
		}
	}
	return Param{}, false
}

// GoName is the exported Go name of the op: mem_block becomes MemBlock.
func (o Op) GoName() string { return goName(o.Name) }

// GoName is the exported Go name of the parameter.
func (p Param) GoName() string { return goName(p.Name) }

var initialisms = map[string]string{"va": "VA", "dtoh": "DtoH", "htod": "HtoD", "dtod": "DtoD", "id": "ID", "2d": "2D", "3d": "3D", "l2": "L2", "rdma": "RDMA"}

func goName(s string) string {
	var b strings.Builder
	for _, w := range strings.Split(s, "_") {
		if u, ok := initialisms[w]; ok {
			b.WriteString(u)
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}
