package config

import (
	"reflect"
	"strings"
	"unicode"
)

// Differences are the keys of pool files, "slots" or "sharing.turn", in whose
// values two versions of a pool differ.
func Differences(a, b Pool) []string {
	a.File, b.File = "", ""
	return differences("", reflect.ValueOf(a), reflect.ValueOf(b))
}

func differences(table string, a, b reflect.Value) []string {
	var keys []string
	for i := range a.NumField() {
		name, x, y := a.Type().Field(i).Name, a.Field(i), b.Field(i)
		switch {
		case name == "Options": // the keys of its table
			keys = append(keys, differences(table, x, y)...)
		case x.Kind() == reflect.Struct:
			keys = append(keys, differences(table+key(name)+".", x, y)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			keys = append(keys, table+key(name))
		}
	}
	return keys
}

// key is the name of a field as pool files have it: MaxMemory is max_memory.
func key(field string) string {
	var b strings.Builder
	lower := false
	for _, c := range field {
		if lower && unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		lower = unicode.IsLower(c)
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
