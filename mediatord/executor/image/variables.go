package image

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// ptxVariables is how many bytes of device memory the variables of PTX text take:
// those in the state spaces .global and .const. It fails with ErrSize for an array
// whose size is an expression: compilers write numbers.
func ptxVariables(text []byte) (uint64, error) {
	t := words{rest: string(text)}
	var sum uint64
	for before, word := "", t.next(); word != ""; before, word = word, t.next() {
		// A kernel's parameter may be a pointer into a space.
		if word != ".global" && word != ".const" || before == ".ptr" {
			continue
		}
		size, err := t.declaration()
		if err != nil {
			return 0, err
		}
		if sum+size < sum {
			return 0, fmt.Errorf("%w: more than 2^64 bytes", ErrSize)
		}
		sum += size
	}
	return sum, nil
}

// words are the words of PTX text, without comments.
type words struct{ rest string }

// next is the next word, or a character that is none; "" at the end.
func (t *words) next() string {
	for {
		t.rest = strings.TrimLeft(t.rest, " \t\r\n\v\f\x00")
		switch {
		case strings.HasPrefix(t.rest, "//"):
			_, t.rest, _ = strings.Cut(t.rest, "\n")
		case strings.HasPrefix(t.rest, "/*"):
			_, t.rest, _ = strings.Cut(t.rest[2:], "*/")
		case t.rest == "":
			return ""
		case t.rest[0] == '"':
			_, t.rest, _ = strings.Cut(t.rest[1:], `"`)
		default:
			n := 0
			for n < len(t.rest) && inWord(t.rest[n]) {
				n++
			}
			word := t.rest[:max(n, 1)]
			t.rest = t.rest[len(word):]
			return word
		}
	}
}

func inWord(c byte) bool {
	return c == '.' || c == '_' || c == '$' || c == '%' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// declaration reads what follows a state space up to its semicolon, and returns the
// bytes that its variables take.
func (t *words) declaration() (uint64, error) {
	element, vector := uint64(0), uint64(1)
	var sum, count uint64
	open, inside := false, 0 // a variable's name has come; parentheses
	finish := func() {
		if open {
			high, size := bits.Mul64(element*vector, count)
			if high != 0 || sum+size < sum {
				size = 1<<63 - sum // more than there is
			}
			sum += size
		}
		open = false
	}
	for {
		word := t.next()
		switch {
		case word == "", word == ";":
			finish()
			return sum, nil
		case word == "(":
			inside++
		case word == ")":
			inside--
		case inside > 0: // of .attribute
		case word == ",":
			finish()
		case word == "=":
			t.initializer()
		case word == "[":
			n, err := t.extent()
			if err != nil {
				return 0, err
			}
			high, product := bits.Mul64(count, n)
			if high != 0 {
				return 0, fmt.Errorf("%w: more than 2^64 elements", ErrSize)
			}
			count = product
		case word == ".align", word == ".attribute":
			if word == ".align" {
				t.next()
			}
		case word == ".v2":
			vector = 2
		case word == ".v4":
			vector = 4
		case word == ".v8":
			vector = 8
		case strings.HasPrefix(word, "."):
			if bytes := typeBytes(word); bytes > 0 {
				element = bytes
			}
		default: // a name, after a comma the next one
			open, count = true, 1
		}
	}
}

// extent reads an array's size up to its bracket. Without a number the initializer
// says it, which is part of the text, and counts as that.
func (t *words) extent() (uint64, error) {
	word := t.next()
	if word == "]" {
		return 1, nil
	}
	n, err := strconv.ParseUint(strings.TrimRight(word, "uU"), 0, 64)
	if err != nil || t.next() != "]" {
		return 0, fmt.Errorf("%w: [%.20s", ErrSize, word)
	}
	return n, nil
}

// initializer passes over what a variable begins with.
func (t *words) initializer() {
	for depth := 0; ; {
		before := t.rest
		switch word := t.next(); {
		case word == "":
			return
		case word == "{", word == "(":
			depth++
		case word == "}", word == ")":
			depth--
		case depth == 0 && (word == ";" || word == ","):
			t.rest = before
			return
		}
	}
}

// typeBytes is the size of a fundamental type, 0 for what is none.
func typeBytes(word string) uint64 {
	switch word {
	case ".texref", ".samplerref", ".surfref":
		return 8
	}
	if len(word) < 3 || !strings.Contains("bsufe", word[1:2]) {
		return 0
	}
	digits := word[2:]
	n := 0
	for n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
		n++
	}
	width, err := strconv.ParseUint(digits[:n], 10, 16)
	if err != nil {
		return 0
	}
	if strings.HasSuffix(digits, "x2") {
		width *= 2
	}
	return (width + 7) / 8
}
