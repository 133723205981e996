package ptx

import "strconv"

// function reads an .entry or .func, declaration or definition.
func (p *parser) function(link Linkage) error {
	f := &Func{Entry: p.tok.text == "entry", Linkage: link, Labels: map[string]int{},
		Targets: map[string][]string{}, Prototypes: map[string]*Prototype{}}
	p.fn, p.scopes = f, nil
	p.pushScope()
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.attributes(); err != nil {
		return err
	}
	var err error
	if p.isPunct("(") {
		if f.Returns, err = p.formals(); err != nil {
			return err
		}
	}
	f.Line = p.tok.line
	if f.Name, err = p.ident(); err != nil {
		return err
	}
	if p.isPunct("(") {
		if f.Params, err = p.formals(); err != nil {
			return err
		}
	}
	if err := p.performance(f); err != nil {
		return err
	}
	p.mod.Funcs = append(p.mod.Funcs, f)
	if !p.isPunct("{") {
		return p.expect(";")
	}
	f.HasBody = true
	return p.body()
}

func (p *parser) attributes() error {
	for p.isDot("attribute") || p.isDot("noreturn") {
		word := p.tok.text
		if err := p.advance(); err != nil {
			return err
		}
		if word == "attribute" {
			if err := p.skipParens(); err != nil {
				return err
			}
		}
	}
	return nil
}

// formals reads a parameter list and declares the names in the scope.
func (p *parser) formals() ([]*Var, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var list []*Var
	for !p.isPunct(")") {
		h, err := p.varHead()
		if err != nil {
			return nil, err
		}
		v, err := p.variableName(h, Static)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if h.space == Register {
			p.top().regs[v.Name] = p.newReg(v.Name, h.typ)
		} else {
			p.top().vars[v.Name] = v
		}
		if !p.isPunct(")") {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
	}
	return list, p.advance()
}

// performance reads the directives between a function's head and its body.
func (p *parser) performance(f *Func) error {
	for p.tok.kind == tokDot {
		word := p.tok.text
		if word == "pragma" {
			if err := p.skipStatement(); err != nil {
				return err
			}
			continue
		}
		if err := p.advance(); err != nil {
			return err
		}
		var err error
		switch word {
		case "maxntid":
			f.MaxThreads, err = p.triple()
		case "reqntid":
			f.ReqThreads, err = p.triple()
		case "minnctapersm":
			f.MinBlocks, err = p.constInt(word)
		case "maxnctapersm", "maxnreg", "maxclusterrank":
			_, err = p.constInt(word)
		case "reqnctapercluster":
			_, err = p.triple()
		case "noreturn", "explicitcluster", "blocksareclusters":
		case "attribute":
			err = p.skipParens()
		default:
			err = p.errorf("unknown directive .%s before the body of %s", word, f.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// triple reads one to three numbers; missing ones are 1.
func (p *parser) triple() ([3]int, error) {
	t := [3]int{1, 1, 1}
	for i := 0; ; i++ {
		if i == 3 {
			return t, p.errorf("more than three dimensions")
		}
		var err error
		if t[i], err = p.constInt("dimension"); err != nil {
			return t, err
		}
		if more, err := p.accept(","); err != nil || !more {
			return t, err
		}
	}
}

// body reads the braces of a function.
func (p *parser) body() error {
	if err := p.advance(); err != nil {
		return err
	}
	for depth := 1; depth > 0; {
		var err error
		switch {
		case p.isPunct("{"):
			depth++
			p.pushScope()
			err = p.advance()
		case p.isPunct("}"):
			depth--
			p.scopes = p.scopes[:len(p.scopes)-1]
			err = p.advance()
		case p.tok.kind == tokEOF:
			return p.errorf("%s has no closing brace", p.fn.Name)
		default:
			err = p.statement()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) statement() error {
	switch {
	case p.tok.kind == tokDot:
		return p.bodyDirective()
	case p.isPunct("@"):
		return p.guarded()
	case p.isPunct(";"):
		return p.advance()
	case p.tok.kind == tokIdent:
		after, err := p.peek()
		if err != nil {
			return err
		}
		if after.kind == tokPunct && after.text == ":" {
			return p.label()
		}
		return p.instruction(-1, false)
	}
	return p.errorf("expected an instruction, found %v", p.tok)
}

func (p *parser) bodyDirective() error {
	switch p.tok.text {
	case "reg":
		return p.regDecl()
	case "loc", "file":
		return p.debugLine()
	case "pragma":
		return p.skipStatement()
	case "section":
		return p.section()
	case "local", "shared", "param", "global", "const":
		return p.bodyVariable(Static)
	case "extern", "visible", "weak":
		if err := p.advance(); err != nil {
			return err
		}
		return p.bodyVariable(Extern)
	}
	return p.errorf("unknown directive .%s in the body of %s", p.tok.text, p.fn.Name)
}

// bodyVariable declares a variable of a scope; its name becomes unique in the
// function.
func (p *parser) bodyVariable(link Linkage) error {
	vars, err := p.variable(link)
	if err != nil {
		return err
	}
	for _, v := range vars {
		p.top().vars[v.Name] = v
		if len(p.scopes) > 1 {
			v.Name += "@" + strconv.Itoa(len(p.fn.Vars))
		}
		p.fn.Vars = append(p.fn.Vars, v)
	}
	return nil
}

// label reads "name:" and what may hang on it.
func (p *parser) label() error {
	name := p.tok.text
	line := p.tok.line
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.advance(); err != nil {
		return err
	}
	switch {
	case p.isDot("branchtargets"), p.isDot("calltargets"):
		return p.targetList(name)
	case p.isDot("callprototype"):
		return p.callPrototype(name)
	}
	if _, dup := p.fn.Labels[name]; dup {
		return errorf(line, "label %s is defined twice", name)
	}
	p.fn.Labels[name] = len(p.fn.Body)
	return nil
}

func (p *parser) targetList(name string) error {
	if err := p.advance(); err != nil {
		return err
	}
	var list []string
	for {
		target, err := p.ident()
		if err != nil {
			return err
		}
		list = append(list, target)
		more, err := p.accept(",")
		if err != nil {
			return err
		}
		if !more {
			p.fn.Targets[name] = list
			return p.expect(";")
		}
	}
}

func (p *parser) callPrototype(name string) error {
	if err := p.advance(); err != nil {
		return err
	}
	p.pushScope() // its parameter names mean nothing outside
	defer func() { p.scopes = p.scopes[:len(p.scopes)-1] }()
	proto := &Prototype{}
	var err error
	if p.isPunct("(") {
		if proto.Returns, err = p.formals(); err != nil {
			return err
		}
	}
	if _, err := p.ident(); err != nil {
		return err
	}
	if p.isPunct("(") {
		if proto.Params, err = p.formals(); err != nil {
			return err
		}
	}
	p.fn.Prototypes[name] = proto
	return p.skipStatement()
}
