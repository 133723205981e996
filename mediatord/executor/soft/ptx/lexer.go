package ptx

import (
	"math"
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokEOF     tokenKind = iota
	tokIdent             // add, %r1, $L__BB0_1
	tokDot               // .u32, .L2::128B; text without the dot
	tokInt               // value
	tokFloat32           // value: bits
	tokFloat64           // value: bits
	tokString            // text without the quotes
	tokPunct             // one character
)

type token struct {
	kind  tokenKind
	text  string
	value uint64
	line  int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of text"
	case tokDot:
		return "\"." + t.text + "\""
	default:
		return strconv.Quote(t.text)
	}
}

type lexer struct {
	src  string
	pos  int
	line int
}

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%'
}

func isIdent(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || isDigit(c)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func (l *lexer) at(i int) byte {
	if l.pos+i < len(l.src) {
		return l.src[l.pos+i]
	}
	return 0
}

// skip passes blanks and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == '\n':
			l.line++
			l.pos++
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case c == '/' && l.at(1) == '/', c == '#':
			l.skipLine()
		case c == '/' && l.at(1) == '*':
			end := strings.Index(l.src[l.pos+2:], "*/")
			if end < 0 {
				return errorf(l.line, "comment without end")
			}
			l.line += strings.Count(l.src[l.pos:l.pos+2+end], "\n")
			l.pos += end + 4
		case c == '@' && l.at(1) == '@': // @@DWARF lines of old compilers
			l.skipLine()
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) skipLine() {
	if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
		l.pos += i
	} else {
		l.pos = len(l.src)
	}
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.pos >= len(l.src) {
		return token{kind: tokEOF, line: l.line}, nil
	}
	start, line, c := l.pos, l.line, l.src[l.pos]
	switch {
	case isIdentStart(c):
		for l.pos++; l.pos < len(l.src) && isIdent(l.src[l.pos]); l.pos++ {
		}
		return token{kind: tokIdent, text: l.src[start:l.pos], line: line}, nil
	case c == '.' && (isIdent(l.at(1))):
		for l.pos++; l.pos < len(l.src); l.pos++ {
			if l.src[l.pos] == ':' && l.at(1) == ':' {
				l.pos++
			} else if !isIdent(l.src[l.pos]) {
				break
			}
		}
		return token{kind: tokDot, text: l.src[start+1 : l.pos], line: line}, nil
	case isDigit(c):
		return l.number()
	case c == '"':
		end := strings.IndexByte(l.src[l.pos+1:], '"')
		if end < 0 {
			return token{}, errorf(line, "string without end")
		}
		l.pos += end + 2
		text := l.src[start+1 : l.pos-1]
		l.line += strings.Count(text, "\n")
		return token{kind: tokString, text: text, line: line}, nil
	}
	if strings.IndexByte("{}()[]<>,;:=+-*/%&|^~!?@", c) < 0 {
		return token{}, errorf(line, "unexpected character %q", c)
	}
	l.pos++
	return token{kind: tokPunct, text: l.src[start:l.pos], line: line}, nil
}

func (l *lexer) number() (token, error) {
	start, line := l.pos, l.line
	if l.src[l.pos] == '0' {
		var kind tokenKind
		digits := 0
		switch l.at(1) {
		case 'f', 'F':
			kind, digits = tokFloat32, 8
		case 'd', 'D':
			kind, digits = tokFloat64, 16
		}
		if digits != 0 {
			l.pos += 2
			for l.pos < len(l.src) && isHex(l.src[l.pos]) {
				l.pos++
			}
			text := l.src[start:l.pos]
			v, err := strconv.ParseUint(text[2:], 16, 64)
			if err != nil || len(text) != digits+2 {
				return token{}, errorf(line, "malformed floating-point constant %q", text)
			}
			return token{kind: kind, text: text, value: v, line: line}, nil
		}
	}
	for l.pos < len(l.src) && isIdent(l.src[l.pos]) {
		l.pos++
	}
	if l.at(0) == '.' && isDigit(l.at(1)) || l.pos > start && !isHexPrefix(l.src[start:l.pos]) && strings.ContainsAny(l.src[start:l.pos], "eE") {
		return l.decimal(start)
	}
	text := l.src[start:l.pos]
	v, err := strconv.ParseUint(strings.TrimRight(text, "U"), 0, 64)
	if err != nil {
		return token{}, errorf(line, "malformed number %q", text)
	}
	return token{kind: tokInt, text: text, value: v, line: line}, nil
}

func isHexPrefix(s string) bool { return strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") }

// decimal reads a floating-point constant written as 1.5 or 2.0e-3.
func (l *lexer) decimal(start int) (token, error) {
	for l.pos < len(l.src) {
		c, prev := l.src[l.pos], l.src[l.pos-1]
		exponentSign := (c == '+' || c == '-') && (prev == 'e' || prev == 'E')
		if !isDigit(c) && c != '.' && c != 'e' && c != 'E' && !exponentSign {
			break
		}
		l.pos++
	}
	text := l.src[start:l.pos]
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return token{}, errorf(l.line, "malformed number %q", text)
	}
	return token{kind: tokFloat64, text: text, value: math.Float64bits(v), line: l.line}, nil
}
