package ptx

import "math/bits"

// varHead is what a variable declaration says before its names.
type varHead struct {
	space  Space
	typ    Type
	align  int
	vector int
}

// varHead reads the state space, alignment, attributes and type; the current
// token is the state space.
func (p *parser) varHead() (varHead, error) {
	h := varHead{vector: 1}
	space, ok := ParseSpace(p.tok.text)
	if p.tok.kind != tokDot || !ok {
		return h, p.errorf("expected a state space, found %v", p.tok)
	}
	h.space = space
	if err := p.advance(); err != nil {
		return h, err
	}
	for typed := false; p.tok.kind == tokDot; {
		word := p.tok.text
		if t, ok := ParseType(word); ok && !typed {
			h.typ, typed = t, true
			if err := p.advance(); err != nil {
				return h, err
			}
			continue
		}
		if err := p.varAttribute(word, &h); err != nil {
			return h, err
		}
	}
	if h.typ.Width == 0 {
		return h, p.errorf("expected a type, found %v", p.tok)
	}
	natural := h.typ.Bytes() * h.vector
	if natural == 0 {
		natural = 1
	}
	if h.align == 0 {
		h.align = natural
	}
	return h, nil
}

func (p *parser) varAttribute(word string, h *varHead) error {
	if err := p.advance(); err != nil {
		return err
	}
	switch word {
	case "align":
		n, err := p.constInt(".align")
		if err != nil {
			return err
		}
		if n == 0 || bits.OnesCount(uint(n)) != 1 {
			return p.errorf(".align %d is not a power of two", n)
		}
		if h.align == 0 { // of "align 8 .ptr align 16" the first is the variable's
			h.align = n
		}
		return nil
	case "v2":
		h.vector = 2
		return nil
	case "v4":
		h.vector = 4
		return nil
	case "ptr": // .ptr .space .align N describes what a parameter points to
		return p.pointerAttributes()
	case "attribute":
		return p.skipParens()
	}
	return p.errorf("unexpected \".%s\" in a variable declaration", word)
}

func (p *parser) pointerAttributes() error {
	for p.tok.kind == tokDot {
		word := p.tok.text
		_, isSpace := ParseSpace(word)
		if !isSpace && word != "align" {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
		if word == "align" {
			if _, err := p.constInt(".align"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) skipParens() error {
	if err := p.expect("("); err != nil {
		return err
	}
	for depth := 1; depth > 0; {
		switch {
		case p.tok.kind == tokEOF:
			return p.errorf("expected \")\", found %v", p.tok)
		case p.isPunct("("):
			depth++
		case p.isPunct(")"):
			depth--
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

// variable reads one declaration with all its names and the semicolon.
func (p *parser) variable(link Linkage) ([]*Var, error) {
	h, err := p.varHead()
	if err != nil {
		return nil, err
	}
	var vars []*Var
	for {
		v, err := p.variableName(h, link)
		if err != nil {
			return nil, err
		}
		vars = append(vars, v)
		more, err := p.accept(",")
		if err != nil {
			return nil, err
		}
		if !more {
			return vars, p.expect(";")
		}
	}
}

// variableName reads a name, its dimensions and its initialiser.
func (p *parser) variableName(h varHead, link Linkage) (*Var, error) {
	v := &Var{Space: h.space, Linkage: link, Type: h.typ, Align: h.align, Vector: h.vector, Count: 1, Line: p.tok.line}
	var err error
	if v.Name, err = p.ident(); err != nil {
		return nil, err
	}
	var dims []int
	for p.isPunct("[") {
		if err := p.advance(); err != nil {
			return nil, err
		}
		n := 0
		if p.isPunct("]") {
			if len(dims) > 0 {
				return nil, p.errorf("only the first dimension of %s may be open", v.Name)
			}
			v.Unsized = true
		} else if n, err = p.constInt("array size"); err != nil {
			return nil, err
		}
		dims = append(dims, n)
		v.Count *= n
		if v.Count > 1<<40 || v.Count < 0 {
			return nil, p.errorf("%s is too large", v.Name)
		}
		if err := p.expect("]"); err != nil {
			return nil, err
		}
	}
	if eq, err := p.accept("="); err != nil || !eq {
		return v, err
	}
	if h.vector > 1 {
		dims = append(dims, h.vector)
	}
	if v.Init, err = p.initialiser(dims); err != nil {
		return nil, err
	}
	if v.Unsized {
		v.Unsized = false
		v.Count = len(v.Init) / h.vector
	}
	if len(v.Init) > v.Count*h.vector {
		return nil, errorf(v.Line, "%s has more initial values than elements", v.Name)
	}
	return v, nil
}

// initialiser reads a value or braces; rows shorter than their dimension are
// filled with zeros, except the last.
func (p *parser) initialiser(dims []int) ([]Init, error) {
	defer p.unnest()
	if err := p.nest(); err != nil {
		return nil, err
	}
	if !p.isPunct("{") {
		one, err := p.initValue()
		return []Init{one}, err
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	row := 1
	if len(dims) > 1 {
		for _, n := range dims[1:] {
			row *= n
		}
		dims = dims[1:]
	} else {
		dims = nil
	}
	var list []Init
	for !p.isPunct("}") {
		nested := p.isPunct("{")
		part, err := p.initialiser(dims)
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
		for nested && len(list)%row != 0 {
			list = append(list, Init{Kind: IntOperand, Byte: -1})
		}
		if !p.isPunct("}") {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return list, p.advance()
}

func (p *parser) initValue() (Init, error) {
	if p.tok.kind == tokIdent && p.tok.text != "WARP_SZ" {
		return p.initAddress()
	}
	v, err := p.constExpr()
	if err != nil || !p.isPunct("(") {
		return Init{Value: v.value, Kind: v.operandKind(), Byte: -1}, err
	}
	// 0xff00(symbol): one byte of an address
	if v.kind != tokInt || v.value == 0 || bits.TrailingZeros64(v.value)%8 != 0 || v.value>>bits.TrailingZeros64(v.value) != 0xff {
		return Init{}, p.errorf("mask %#x does not select one byte", v.value)
	}
	if err := p.advance(); err != nil {
		return Init{}, err
	}
	in, err := p.initAddress()
	if err != nil {
		return in, err
	}
	in.Byte = bits.TrailingZeros64(v.value) / 8
	return in, p.expect(")")
}

func (p *parser) initAddress() (Init, error) {
	in := Init{Byte: -1}
	name, err := p.ident()
	if err != nil {
		return in, err
	}
	if name == "generic" && p.isPunct("(") {
		in.Generic = true
		if err := p.advance(); err != nil {
			return in, err
		}
		if name, err = p.ident(); err != nil {
			return in, err
		}
		if err := p.addend(&in.Add); err != nil {
			return in, err
		}
		if err := p.expect(")"); err != nil {
			return in, err
		}
	}
	in.Sym = name
	return in, p.addend(&in.Add)
}

// addend reads an optional "+ constant" or "- constant".
func (p *parser) addend(sum *int64) error {
	if !p.isPunct("+") && !p.isPunct("-") {
		return nil
	}
	v, err := p.constExprSigned()
	*sum += v
	return err
}

// constExprSigned reads the sign that is the current token and what follows.
func (p *parser) constExprSigned() (int64, error) {
	minus := p.isPunct("-")
	if err := p.advance(); err != nil {
		return 0, err
	}
	v, err := p.constExpr()
	if err != nil {
		return 0, err
	}
	if v.kind != tokInt {
		return 0, p.errorf("an address offset is an integer")
	}
	if minus {
		return -int64(v.value), nil
	}
	return int64(v.value), nil
}
