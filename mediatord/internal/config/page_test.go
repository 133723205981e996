package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What docs/pools.md says of the keys holds: the keys, their defaults and their bounds.

const softPool = "gpus = [\"soft\"]\n"

// row is a line `key = value # comment` of one of the page's blocks.
type row struct{ table, key, value, comment string }

var (
	assignment = regexp.MustCompile(`^(\w+) = ([^#]*?)\s*(?:#\s*(.*))?$`)
	bounds     = regexp.MustCompile(`("?[0-9][^ ";,]*"?) to ("?[0-9][^ ";,]*"?)`)
)

// page is the text, and the rows of its blocks.
func page(t *testing.T) (text string, rows []row) {
	t.Helper()
	data, err := os.ReadFile("../../../docs/pools.md")
	if err != nil {
		t.Fatal(err)
	}
	table, block := "", false
	for _, line := range strings.Split(string(data), "\n") {
		switch {
		case strings.HasPrefix(line, "```"):
			table, block = "", !block
		case !block:
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]")
		default:
			if m := assignment.FindStringSubmatch(line); m != nil {
				rows = append(rows, row{table, m[1], m[2], m[3]})
			}
		}
	}
	return string(data), rows
}

// file is a pool file that gives a row's key this value, beside what the key needs.
func (r row) file(value string) string {
	text := softPool
	if r.key == "gpus" {
		text = ""
	}
	if slices.Contains([]string{"backend", "isolation"}, r.key) { // those of a real GPU
		text = "gpus = [\"01:00.0\"]\n"
	}
	if r.table != "" {
		text += "[" + r.table + "]\n"
	}
	return text + r.key + " = " + value + "\n"
}

func TestPageHasEveryKeyAndTakesItsValues(t *testing.T) {
	_, rows := page(t)
	var there []string
	for _, r := range rows {
		there = append(there, r.table+"."+r.key)
		if _, err := Parse("p.toml", r.file(r.value)); err != nil {
			t.Errorf("%s = %s: %v", r.key, r.value, err)
		}
	}
	names, types := keys(reflect.TypeFor[poolFile]())
	for _, name := range names {
		inner, table := []string{name}, ""
		if types[name].Kind() == reflect.Struct {
			inner, _ = keys(types[name])
			table = name
		}
		for _, key := range inner {
			if !slices.Contains(there, table+"."+key) {
				t.Errorf("the page has no key %s of [%s]", key, table)
			}
		}
	}
}

func TestPageTellsTheDefaults(t *testing.T) {
	text, rows := page(t)
	bare, err := Parse("p.toml", softPool)
	if err != nil {
		t.Fatal(err)
	}
	shared := softPool + "[sharing]\n"
	for _, r := range rows {
		if r.table == "sharing" {
			shared += r.key + " = " + r.value + "\n"
		}
	}
	if whole, err := Parse("p.toml", shared); err != nil || whole.Sharing != bare.Sharing {
		t.Errorf("[sharing] of the page is %+v, %v; the defaults are %+v", whole.Sharing, err, bare.Sharing)
	}
	real, err := Parse("p.toml", "gpus = [\"01:00.0\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	limit := "none"
	if bare.KernelLimit != 0 {
		limit = bare.KernelLimit.String()
	}
	for _, line := range []string{
		fmt.Sprintf("| `backend` | `%s` if the GPU is `\"soft\"`, else `%s` |", bare.Backend, real.Backend),
		fmt.Sprintf("| `mode` | `%s` |", bare.Mode),
		fmt.Sprintf("| `slots` | %d; one for each GPU where `mode` is `exclusive` |", bare.Slots),
		fmt.Sprintf("| `overcommit` | %.1f |", bare.Overcommit),
		fmt.Sprintf("| `weight` | %d |", bare.Weight),
		fmt.Sprintf("| `isolation` | `%s`; `%s` for the GPU in software |", real.Isolation, bare.Isolation),
		fmt.Sprintf("| `walls` | `%s` |", bare.Walls),
		fmt.Sprintf("| `warm` | %d; %d for the GPU in software |", real.Warm, bare.Warm),
		fmt.Sprintf("| `kernel_limit` | `%s` |", limit),
		fmt.Sprintf("after = %q ", written(bare.Parking.After)),
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("the page does not say %q", line)
		}
	}
	if len(bare.Priorities) != 3 || bare.Memory != 0 || bare.MaxMemory != 0 || bare.Parking.ContextAfter != 0 || bare.Parking.HostMemory != 0 {
		t.Errorf("the page says otherwise of %+v", bare)
	}
}

// Both bounds that a key's comment names are taken, and what lies next to them is not.
func TestPageTellsTheBounds(t *testing.T) {
	_, rows := page(t)
	found := 0
	for _, r := range rows {
		m := bounds.FindStringSubmatch(r.comment)
		if m == nil {
			continue
		}
		found++
		for _, value := range m[1:] {
			if _, err := Parse("p.toml", r.file(value)); err != nil {
				t.Errorf("%s = %s: %v", r.key, value, err)
			}
		}
		for _, value := range []string{next(m[1], -1), next(m[2], 1)} {
			if _, err := Parse("p.toml", r.file(value)); err == nil {
				t.Errorf("%s = %s is taken, beyond %s", r.key, value, r.comment)
			}
		}
	}
	if found < 16 {
		t.Errorf("only %d bounds were found", found)
	}
}

// next is a value, "50us" or 1024, with another number.
func next(value string, by int) string {
	return regexp.MustCompile(`[0-9]+`).ReplaceAllStringFunc(value, func(digits string) string {
		number, _ := strconv.Atoi(digits) // the pattern admits nothing else
		return strconv.Itoa(number + by)
	})
}
