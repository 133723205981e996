package api

import (
	_ "embed" // the table
	"fmt"
	"path"
	"strings"
)

//go:embed refusals.table
var refusalsTable string

// Refusal is one line of refusals.table: functions that are refused for one
// reason.
type Refusal struct {
	Patterns  []string // names, or beginnings that end in *
	Reason    string
	Functions []string // refused functions that a pattern takes, in the order of calls.table
}

// Refusals parses refusals.table and gives each reason its functions. It fails
// if a refused function has no reason or several, or if a pattern takes no
// function or one that is carried.
func Refusals() ([]Refusal, error) {
	functions, err := Functions()
	if err != nil {
		return nil, err
	}
	return refusals(refusalsTable, functions)
}

func refusals(table string, functions []Function) ([]Refusal, error) {
	var out []Refusal
	reasons := map[string]string{}
	err := eachLine("refusals.table", table, func(line string) error {
		patterns, reason, ok := strings.Cut(line, " : ")
		if !ok {
			return fmt.Errorf("want PATTERN ... : REASON")
		}
		r := Refusal{Patterns: strings.Fields(patterns), Reason: strings.TrimSpace(reason)}
		for _, p := range r.Patterns {
			if err := r.take(p, functions, reasons); err != nil {
				return err
			}
		}
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range functions {
		if f.Class == Refused && reasons[f.Symbol] == "" {
			return nil, fmt.Errorf("refusals.table: no reason for %s", f.Symbol)
		}
	}
	return out, nil
}

// take adds the functions of one pattern.
func (r *Refusal) take(pattern string, functions []Function, reasons map[string]string) error {
	found := false
	for _, f := range functions {
		match, err := path.Match(pattern, f.Symbol)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
		switch {
		case !match:
			continue
		case f.Class != Refused:
			return fmt.Errorf("pattern %q takes %s, which is %s", pattern, f.Symbol, f.Class)
		case reasons[f.Symbol] != "":
			return fmt.Errorf("pattern %q takes %s, which has a reason already", pattern, f.Symbol)
		}
		found = true
		reasons[f.Symbol] = r.Reason
		r.Functions = append(r.Functions, f.Symbol)
	}
	if !found {
		return fmt.Errorf("pattern %q takes no function", pattern)
	}
	return nil
}
