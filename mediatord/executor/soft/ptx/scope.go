package ptx

import "strconv"

// scope is a pair of braces in a function body.
type scope struct {
	regs   map[string]int
	ranges []regRange
	vars   map[string]*Var
}

// regRange is a declaration such as ".reg .b32 %r<10>".
type regRange struct {
	prefix string
	count  int
	typ    Type
}

func (p *parser) pushScope() {
	p.scopes = append(p.scopes, &scope{regs: map[string]int{}, vars: map[string]*Var{}})
}

func (p *parser) top() *scope { return p.scopes[len(p.scopes)-1] }

// reg finds the register of that name in the innermost scope that has it.
func (p *parser) reg(name string) (int, bool) {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		s := p.scopes[i]
		if r, ok := s.regs[name]; ok {
			return r, true
		}
		for _, rr := range s.ranges {
			if rr.holds(name) {
				r := p.newReg(name, rr.typ)
				s.regs[name] = r
				return r, true
			}
		}
	}
	return 0, false
}

func (rr *regRange) holds(name string) bool {
	n := len(rr.prefix)
	if len(name) <= n || name[:n] != rr.prefix {
		return false
	}
	num, err := strconv.Atoi(name[n:])
	return err == nil && num >= 0 && num < rr.count && strconv.Itoa(num) == name[n:]
}

func (p *parser) newReg(name string, t Type) int {
	p.fn.Regs = append(p.fn.Regs, Reg{Name: name, Type: t})
	return len(p.fn.Regs) - 1
}

func (p *parser) localVar(name string) *Var {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if v, ok := p.scopes[i].vars[name]; ok {
			return v
		}
	}
	return nil
}

// regDecl reads a .reg directive.
func (p *parser) regDecl() error {
	h, err := p.varHead()
	if err != nil {
		return err
	}
	if h.vector != 1 {
		return p.errorf("vector registers are not supported")
	}
	for {
		name, err := p.ident()
		if err != nil {
			return err
		}
		if p.isPunct("<") {
			if err := p.advance(); err != nil {
				return err
			}
			if p.tok.kind != tokInt {
				return p.errorf("expected a number of registers, found %v", p.tok)
			}
			p.top().ranges = append(p.top().ranges, regRange{name, int(p.tok.value), h.typ})
			if err := p.advance(); err != nil {
				return err
			}
			if err := p.expect(">"); err != nil {
				return err
			}
		} else {
			p.top().regs[name] = p.newReg(name, h.typ)
		}
		more, err := p.accept(",")
		if err != nil {
			return err
		}
		if !more {
			return p.expect(";")
		}
	}
}
