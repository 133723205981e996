package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// keys are those of a table, in the order of its type, and the type of each.
func keys(table reflect.Type) (names []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	for i := range table.NumField() {
		name := table.Field(i).Tag.Get("toml")
		names, types[name] = append(names, name), table.Field(i).Type
	}
	return names, types
}

// unknownKey is the error of the first key that no pool has. The parser would take
// "Slots" for slots, and of a file with both one of them.
func unknownKey(file string, meta toml.MetaData) error {
	for _, key := range meta.Keys() {
		table, what := reflect.TypeFor[poolFile](), "a pool"
		for depth, part := range key {
			if table.Kind() != reflect.Struct {
				break // the parser has found a table where there is none
			}
			names, types := keys(table)
			if !slices.Contains(names, part) {
				return invalid(file, key.String(), "is not a key of "+what, strings.Join(names, ", "))
			}
			table, what = types[part], "["+strings.Join(key[:depth+1], ".")+"]"
		}
	}
	return nil
}

// between says which times are allowed, as pool files have them.
func between(shortest, longest time.Duration) string {
	return fmt.Sprintf("a time from %q to %q", written(shortest), written(longest))
}

// written is a time as a person writes it: 24h, not 24h0m0s, and on any keyboard.
func written(d time.Duration) string {
	text := strings.Replace(d.String(), "µ", "u", 1)
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, nothing) {
			text = text[:len(text)-2]
		}
	}
	return text
}
