package ptx

import "math"

// constValue is the value of a constant expression: tokInt with value, or
// tokFloat32/tokFloat64 with bits.
type constValue struct {
	kind  tokenKind
	value uint64
}

// operandKind is the kind of an operand with this value.
func (v constValue) operandKind() OperandKind {
	switch v.kind {
	case tokFloat32:
		return Float32Operand
	case tokFloat64:
		return Float64Operand
	}
	return IntOperand
}

var binaryLevels = []string{"|", "^", "&", "<>", "+-", "*/%"}

// constExpr reads a constant expression of C's integer operators.
func (p *parser) constExpr() (constValue, error) { return p.binaryExpr(0) }

func (p *parser) binaryExpr(level int) (constValue, error) {
	if level == len(binaryLevels) {
		return p.unaryExpr()
	}
	left, err := p.binaryExpr(level + 1)
	if err != nil {
		return left, err
	}
	for {
		op := p.binaryOp(binaryLevels[level])
		if op == 0 {
			return left, nil
		}
		if err := p.advance(); err != nil {
			return left, err
		}
		if op == '<' || op == '>' { // shifts are two characters
			if err := p.expect(string(op)); err != nil {
				return left, err
			}
		}
		right, err := p.binaryExpr(level + 1)
		if err != nil {
			return left, err
		}
		if left.kind != tokInt || right.kind != tokInt {
			return left, p.errorf("operator %q on a floating-point constant", op)
		}
		if left.value, err = p.fold(op, left.value, right.value); err != nil {
			return left, err
		}
	}
}

func (p *parser) binaryOp(ops string) byte {
	if p.tok.kind != tokPunct {
		return 0
	}
	for i := 0; i < len(ops); i++ {
		if p.tok.text[0] == ops[i] {
			return ops[i]
		}
	}
	return 0
}

func (p *parser) fold(op byte, a, b uint64) (uint64, error) {
	switch op {
	case '|':
		return a | b, nil
	case '^':
		return a ^ b, nil
	case '&':
		return a & b, nil
	case '<':
		return a << b, nil
	case '>':
		return uint64(int64(a) >> b), nil
	case '+':
		return a + b, nil
	case '-':
		return a - b, nil
	case '*':
		return a * b, nil
	}
	if b == 0 {
		return 0, p.errorf("division by zero in a constant")
	}
	if op == '/' {
		return uint64(int64(a) / int64(b)), nil
	}
	return uint64(int64(a) % int64(b)), nil
}

func (p *parser) unaryExpr() (constValue, error) {
	defer p.unnest()
	if err := p.nest(); err != nil {
		return constValue{}, err
	}
	t := p.tok
	switch {
	case t.kind == tokInt || t.kind == tokFloat32 || t.kind == tokFloat64:
		return constValue{t.kind, t.value}, p.advance()
	case t.kind == tokIdent && t.text == "WARP_SZ":
		return constValue{tokInt, 32}, p.advance()
	case p.isPunct("("):
		if err := p.advance(); err != nil {
			return constValue{}, err
		}
		if p.tok.kind == tokDot { // casts (.s64) and (.u64)
			if err := p.advance(); err != nil {
				return constValue{}, err
			}
			if err := p.expect(")"); err != nil {
				return constValue{}, err
			}
			return p.unaryExpr()
		}
		v, err := p.constExpr()
		if err != nil {
			return v, err
		}
		return v, p.expect(")")
	case p.isPunct("-") || p.isPunct("+") || p.isPunct("~") || p.isPunct("!"):
		if err := p.advance(); err != nil {
			return constValue{}, err
		}
		v, err := p.unaryExpr()
		if err != nil {
			return v, err
		}
		return p.applyUnary(t.text[0], v)
	}
	return constValue{}, p.errorf("expected a constant, found %v", t)
}

func (p *parser) applyUnary(op byte, v constValue) (constValue, error) {
	switch {
	case op == '+':
		return v, nil
	case op == '-' && v.kind == tokFloat32:
		v.value = uint64(math.Float32bits(-math.Float32frombits(uint32(v.value))))
		return v, nil
	case op == '-' && v.kind == tokFloat64:
		v.value = math.Float64bits(-math.Float64frombits(v.value))
		return v, nil
	case v.kind != tokInt:
		return v, p.errorf("operator %q on a floating-point constant", op)
	case op == '-':
		v.value = -v.value
	case op == '~':
		v.value = ^v.value
	case v.value == 0:
		v.value = 1
	default:
		v.value = 0
	}
	return v, nil
}
