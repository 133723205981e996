package ptx

import "strings"

// Parse reads PTX text. The error is an *Error with the line of the mistake,
// or wraps ErrVersion.
func Parse(text string) (*Module, error) {
	text = strings.TrimRight(text, "\x00")
	p := &parser{lex: lexer{src: text, line: 1}, mod: &Module{AddressSize: 32, Aliases: map[string]string{}}}
	if err := p.module(); err != nil {
		return nil, err
	}
	return p.mod, nil
}

type parser struct {
	lex   lexer
	tok   token
	ahead []token
	mod   *Module

	fn     *Func
	scopes []*scope
	depth  int // of nested parentheses and braces
}

// maxDepth bounds nesting, so that bad text cannot exhaust the stack.
const maxDepth = 200

// nest counts one level of nesting; unnest must follow.
func (p *parser) nest() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf("nested more than %d deep", maxDepth)
	}
	return nil
}

func (p *parser) unnest() { p.depth-- }

// advance moves to the next token.
func (p *parser) advance() error {
	if len(p.ahead) > 0 {
		p.tok, p.ahead = p.ahead[0], p.ahead[1:]
		return nil
	}
	t, err := p.lex.next()
	p.tok = t
	return err
}

// peek looks one token beyond the current one.
func (p *parser) peek() (token, error) {
	if len(p.ahead) == 0 {
		t, err := p.lex.next()
		if err != nil {
			return t, err
		}
		p.ahead = append(p.ahead, t)
	}
	return p.ahead[0], nil
}

func (p *parser) errorf(format string, args ...any) error {
	return errorf(p.tok.line, format, args...)
}

func (p *parser) isPunct(c string) bool { return p.tok.kind == tokPunct && p.tok.text == c }

func (p *parser) isDot(name string) bool { return p.tok.kind == tokDot && p.tok.text == name }

// accept passes a punctuation mark if it is there.
func (p *parser) accept(c string) (bool, error) {
	if !p.isPunct(c) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(c string) error {
	if !p.isPunct(c) {
		return p.errorf("expected %q, found %v", c, p.tok)
	}
	return p.advance()
}

func (p *parser) ident() (string, error) {
	if p.tok.kind != tokIdent {
		return "", p.errorf("expected a name, found %v", p.tok)
	}
	s := p.tok.text
	return s, p.advance()
}

// constInt reads a constant expression that must be a small positive number.
func (p *parser) constInt(what string) (int, error) {
	line := p.tok.line
	v, err := p.constExpr()
	if err != nil {
		return 0, err
	}
	if v.kind != tokInt || v.value > 1<<40 {
		return 0, errorf(line, "%s is not a sensible number", what)
	}
	return int(v.value), nil
}

func (p *parser) module() error {
	if err := p.advance(); err != nil {
		return err
	}
	if !p.isDot("version") {
		return p.errorf("expected .version, found %v", p.tok)
	}
	for p.tok.kind != tokEOF {
		if p.tok.kind != tokDot {
			return p.errorf("expected a directive, found %v", p.tok)
		}
		if err := p.moduleItem(); err != nil {
			return err
		}
	}
	if p.mod.Target == "" {
		return p.errorf("no .target directive")
	}
	return nil
}

func (p *parser) moduleItem() error {
	switch p.tok.text {
	case "version":
		return p.version()
	case "target":
		return p.target()
	case "address_size":
		if err := p.advance(); err != nil {
			return err
		}
		n, err := p.constInt(".address_size")
		if err == nil && n != 32 && n != 64 {
			err = p.errorf(".address_size %d is neither 32 nor 64", n)
		}
		p.mod.AddressSize = n
		return err
	case "file", "loc":
		return p.debugLine()
	case "section":
		return p.section()
	case "pragma":
		return p.skipStatement()
	case "alias":
		return p.alias()
	case "entry", "func", "visible", "extern", "weak", "common", "global", "const", "shared":
		return p.declaration()
	}
	return p.errorf("unknown directive .%s", p.tok.text)
}

func (p *parser) version() error {
	// The lexer reads "8.8" as a decimal and "9.0" as well.
	if err := p.advance(); err != nil {
		return err
	}
	major, minor, ok := strings.Cut(p.tok.text, ".")
	v := Version{atoi(major), atoi(minor)}
	if !ok || v.Major < 0 || v.Minor < 0 {
		return p.errorf("malformed .version %v", p.tok)
	}
	if (Version{MaxMajor, MaxMinor}).Less(v) {
		return &versionError{line: p.tok.line, version: v}
	}
	p.mod.Version = v
	return p.advance()
}

func atoi(s string) int {
	if s == "" || len(s) > 4 {
		return -1
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if !isDigit(s[i]) {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

func (p *parser) target() error {
	for first := true; ; first = false {
		if err := p.advance(); err != nil {
			return err
		}
		name, err := p.ident()
		if err != nil {
			return err
		}
		if first {
			p.mod.Target = name
		} else {
			p.mod.Options = append(p.mod.Options, name)
		}
		if !p.isPunct(",") {
			return nil
		}
	}
}

// debugLine passes .file and .loc: everything up to the end of the line, and
// the continuation that a comma announces.
func (p *parser) debugLine() error {
	line := p.tok.line
	for {
		if err := p.advance(); err != nil {
			return err
		}
		if p.tok.kind == tokEOF || p.tok.line != line {
			return nil
		}
	}
}

// section passes a .section with its braces.
func (p *parser) section() error {
	for !p.isPunct("{") {
		if p.tok.kind == tokEOF {
			return p.errorf(".section without a body")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	for !p.isPunct("}") {
		if p.tok.kind == tokEOF {
			return p.errorf(".section without end")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

func (p *parser) skipStatement() error {
	for !p.isPunct(";") {
		if p.tok.kind == tokEOF {
			return p.errorf("expected \";\", found %v", p.tok)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

func (p *parser) alias() error {
	if err := p.advance(); err != nil {
		return err
	}
	name, err := p.ident()
	if err != nil {
		return err
	}
	if err := p.expect(","); err != nil {
		return err
	}
	target, err := p.ident()
	if err != nil {
		return err
	}
	p.mod.Aliases[name] = target
	return p.expect(";")
}

// declaration reads a variable or function of the module.
func (p *parser) declaration() error {
	link := Static
	for {
		switch p.tok.text {
		case "visible":
			link = Visible
		case "extern":
			link = Extern
		case "weak":
			link = Weak
		case "common":
			link = Common
		case "entry", "func":
			return p.function(link)
		default:
			vars, err := p.variable(link)
			if err != nil {
				return err
			}
			p.mod.Vars = append(p.mod.Vars, vars...)
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
		if p.tok.kind != tokDot {
			return p.errorf("expected a directive, found %v", p.tok)
		}
	}
}
