package ptx

// guarded reads "@%p1 instruction" or "@!%p1 instruction".
func (p *parser) guarded() error {
	if err := p.advance(); err != nil {
		return err
	}
	not, err := p.accept("!")
	if err != nil {
		return err
	}
	name, err := p.ident()
	if err != nil {
		return err
	}
	reg, ok := p.reg(name)
	if !ok || p.fn.Regs[reg].Type.Kind != Pred {
		return p.errorf("guard %s is not a predicate register", name)
	}
	return p.instruction(reg, not)
}

func (p *parser) instruction(guard int, not bool) error {
	in := Instr{Line: p.tok.line, Guard: guard, GuardNot: not}
	var err error
	if in.Op, err = p.ident(); err != nil {
		return err
	}
	for p.tok.kind == tokDot {
		in.Mods = append(in.Mods, p.tok.text)
		if err := p.advance(); err != nil {
			return err
		}
	}
	for !p.isPunct(";") {
		op, err := p.operand()
		if err != nil {
			return err
		}
		in.Operands = append(in.Operands, op)
		if p.isPunct(";") {
			break
		}
		if err := p.expect(","); err != nil {
			return err
		}
	}
	p.fn.Body = append(p.fn.Body, in)
	return p.advance()
}

func (p *parser) operand() (Operand, error) {
	defer p.unnest()
	if err := p.nest(); err != nil {
		return Operand{}, err
	}
	switch {
	case p.isPunct("{"):
		return p.list("{", "}", VectorOperand)
	case p.isPunct("["):
		return p.address()
	case p.isPunct("("):
		return p.parenthesised()
	case p.isPunct("!"):
		after, err := p.peek()
		if err != nil {
			return Operand{}, err
		}
		if after.kind != tokIdent {
			return p.constant()
		}
		if err := p.advance(); err != nil {
			return Operand{}, err
		}
		op, err := p.name()
		if err == nil && op.Kind != RegOperand {
			err = p.errorf("\"!\" before something that is not a predicate")
		}
		op.Not = true
		return op, err
	case p.tok.kind == tokIdent && p.tok.text != "WARP_SZ":
		op, err := p.name()
		if err != nil || !p.isPunct("|") {
			return op, err
		}
		if err := p.advance(); err != nil {
			return op, err
		}
		pair, err := p.name()
		op.Pair = &pair
		return op, err
	}
	return p.constant()
}

func (p *parser) constant() (Operand, error) {
	v, err := p.constExpr()
	return Operand{Kind: v.operandKind(), Value: v.value}, err
}

// parenthesised reads the argument list of a call or a constant in
// parentheses.
func (p *parser) parenthesised() (Operand, error) {
	after, err := p.peek()
	if err != nil {
		return Operand{}, err
	}
	if after.kind == tokInt || after.kind == tokPunct && after.text != ")" || after.kind == tokDot {
		return p.constant()
	}
	return p.list("(", ")", ListOperand)
}

func (p *parser) list(open, end string, kind OperandKind) (Operand, error) {
	op := Operand{Kind: kind}
	if err := p.expect(open); err != nil {
		return op, err
	}
	for !p.isPunct(end) {
		e, err := p.operand()
		if err != nil {
			return op, err
		}
		op.List = append(op.List, e)
		if !p.isPunct(end) {
			if err := p.expect(","); err != nil {
				return op, err
			}
		}
	}
	return op, p.advance()
}

// name reads a register, special register, symbol or "_", with the offset
// that may follow a symbol.
func (p *parser) name() (Operand, error) {
	line := p.tok.line
	name, err := p.ident()
	if err != nil {
		return Operand{}, err
	}
	if name == "_" {
		return Operand{Kind: SinkOperand}, nil
	}
	if r, ok := p.reg(name); ok {
		return Operand{Kind: RegOperand, Reg: r}, nil
	}
	if name[0] == '%' {
		return p.special(name, line)
	}
	op := Operand{Kind: SymOperand, Sym: name, Var: p.localVar(name)}
	return op, p.addend(&op.Offset)
}

func (p *parser) special(name string, line int) (Operand, error) {
	if p.tok.kind == tokDot {
		name += "." + p.tok.text
		if err := p.advance(); err != nil {
			return Operand{}, err
		}
	}
	if !specialRegisters[name] {
		return Operand{}, errorf(line, "unknown register %s", name)
	}
	return Operand{Kind: SpecialOperand, Sym: name}, nil
}

// address reads [register+offset], [symbol+offset] or [number].
func (p *parser) address() (Operand, error) {
	if err := p.expect("["); err != nil {
		return Operand{}, err
	}
	var op Operand
	var err error
	if p.tok.kind == tokIdent && p.tok.text != "WARP_SZ" {
		if op, err = p.name(); err != nil {
			return op, err
		}
		if op.Kind != RegOperand && op.Kind != SymOperand {
			return op, p.errorf("malformed address")
		}
		if err := p.addend(&op.Offset); err != nil {
			return op, err
		}
	} else if op, err = p.constant(); err != nil {
		return op, err
	}
	op.Address = true
	// Texture and tensor addresses continue with a coordinate vector.
	for p.isPunct(",") {
		if err := p.advance(); err != nil {
			return op, err
		}
		e, err := p.operand()
		if err != nil {
			return op, err
		}
		op.List = append(op.List, e)
	}
	return op, p.expect("]")
}

// specialRegisters are the predefined registers of the ISA.
var specialRegisters = makeSet(
	"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z",
	"%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z",
	"%laneid", "%warpid", "%nwarpid", "%smid", "%nsmid", "%gridid",
	"%lanemask_eq", "%lanemask_le", "%lanemask_lt", "%lanemask_ge", "%lanemask_gt",
	"%clock", "%clock_hi", "%clock64", "%globaltimer", "%globaltimer_lo", "%globaltimer_hi",
	"%dynamic_smem_size", "%total_smem_size", "%aggr_smem_size", "%reserved_smem_offset_begin",
	"%reserved_smem_offset_end", "%reserved_smem_offset_cap", "%reserved_smem_offset_0", "%reserved_smem_offset_1",
	"%clusterid.x", "%clusterid.y", "%clusterid.z", "%nclusterid.x", "%nclusterid.y", "%nclusterid.z",
	"%cluster_ctaid.x", "%cluster_ctaid.y", "%cluster_ctaid.z",
	"%cluster_nctaid.x", "%cluster_nctaid.y", "%cluster_nctaid.z",
	"%cluster_ctarank", "%cluster_nctarank", "%is_explicit_cluster",
	"%envreg0", "%envreg1", "%envreg2", "%envreg3", "%current_graph_exec",
	"%pm0", "%pm1", "%pm2", "%pm3", "%pm4", "%pm5", "%pm6", "%pm7",
)

func makeSet(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
