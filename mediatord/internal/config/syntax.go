package config

import (
	"fmt"
	"regexp"
)

// What the parser says of a file that is no TOML, and of a value of another type than
// its key's.
var (
	located  = regexp.MustCompile(`^toml: (line \d+)?(?: ?\(last key "([^"]*)"\))?: (.*)$`)
	mistyped = regexp.MustCompile(`^incompatible types: TOML value has type (.+); destination has type (.+)$`)
	notTable = regexp.MustCompile(`^type mismatch for \S+: expected (table) but found (.+)$`)
)

// kinds are TOML's types, as the parser calls them, in the words of who writes the file.
func kinds() map[string]string {
	return map[string]string{
		"string": "text in quotes", "integer": "a whole number", "int64": "a whole number", "float": "a number", "float64": "a number",
		"bool": "true or false", "boolean": "true or false", "slice": "a list in brackets", "[]any": "a list in brackets",
		"table": "a table", "map[string]any": "a table",
	}
}

// syntaxError puts the parser's error into such words.
func syntaxError(file string, err error) error {
	place := located.FindStringSubmatch(err.Error())
	if place == nil {
		return fmt.Errorf("%w %s: %w", ErrInvalid, file, err)
	}
	line, key, text := place[1], place[2], place[3]
	if line != "" { // a table in place of a value has none
		line += ": "
	}
	found, allowed := "", ""
	if types := mistyped.FindStringSubmatch(text); types != nil {
		found, allowed = types[1], types[2]
	} else if types := notTable.FindStringSubmatch(text); types != nil {
		found, allowed = types[2], types[1]
	}
	if words := kinds(); words[found] != "" && words[allowed] != "" {
		return fmt.Errorf("%w %s: %s%s: is %s; allowed: %s", ErrInvalid, file, line, key, words[found], words[allowed])
	}
	return fmt.Errorf("%w %s: %s%s; names, sizes and times stand in quotes, lists in brackets", ErrInvalid, file, line, text)
}
