package simt

// translators are the instructions that the interpreter carries.
var translators = map[string]translator{
	"add": translateAdd, "sub": translateSub, "addc": translateAddc, "subc": translateAddc,
	"mul": translateMul, "mad": translateMad, "madc": translateMad, "mul24": translateMul24, "mad24": translateMul24,
	"div": translateDiv, "rem": translateRem, "abs": translateAbs, "neg": translateNeg,
	"min": translateMinMax, "max": translateMinMax, "sad": translateSad, "dp4a": translateDot, "dp2a": translateDot,
	"and": translateLogic, "or": translateLogic, "xor": translateLogic, "not": translateNot, "cnot": translateCnot,
	"shl": translateShift, "shr": translateShift, "shf": translateFunnel, "lop3": translateLop3,
	"bfe": translateBfe, "bfi": translateBfi, "popc": translatePopc, "clz": translateClz, "brev": translateBrev,
	"bfind": translateBfind, "fns": translateFns, "prmt": translatePrmt, "bmsk": translateBmsk,

	"fma": translateFma, "copysign": translateCopysign, "testp": translateTestp,
	"rcp": translateUnaryMath, "sqrt": translateUnaryMath, "rsqrt": translateUnaryMath, "sin": translateUnaryMath,
	"cos": translateUnaryMath, "ex2": translateUnaryMath, "lg2": translateUnaryMath, "tanh": translateUnaryMath,

	"setp": translateSetp, "set": translateSet, "selp": translateSelp, "slct": translateSlct,
	"cvt": translateCvt, "cvta": translateCvta, "isspacep": translateIsspacep, "mov": translateMov,

	"ld": translateLoad, "ldu": translateLoad, "st": translateStore, "atom": translateAtom, "red": translateAtom,
	"cp": translateAsync, "prefetch": translateNothing, "prefetchu": translateNothing, "membar": translateNothing,
	"fence": translateNothing, "applypriority": translateNothing, "discard": translateNothing,
	"pmevent": translateNothing, "setmaxnreg": translateNothing, "griddepcontrol": translateNothing,
	"createpolicy": translateCreatepolicy,

	"bar": translateBar, "barrier": translateBar, "shfl": translateShfl, "vote": translateVote, "match": translateMatch,
	"mma": translateMma, "ldmatrix": translateLdmatrix, "stmatrix": translateStmatrix, "movmatrix": translateMovmatrix,
	"redux": translateRedux, "elect": translateElect, "activemask": translateActivemask,

	"bra": translateBra, "brx": translateBrx, "call": translateCall, "ret": translateRet, "exit": translateExit,
	"trap": translateTrap, "brkpt": translateNothing, "nanosleep": translateNanosleep,
}

// translateCreatepolicy makes a cache policy, which nothing here looks at.
func translateCreatepolicy(g *generator) error {
	in := g.new(compute)
	var err error
	if err = g.want(1, 4); err != nil {
		return err
	}
	in.d, err = g.dst(0)
	in.run = runMov
	g.emit(in)
	return err
}

// unsupportedOps are instructions of the ISA that the interpreter lacks.
var unsupportedOps = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range []string{
		"wmma", "wgmma", "tcgen05", "mbarrier", "mapa", "getctarank",
		"tex", "tld4", "txq", "istypep", "suld", "sust", "sured", "suq", "multimem", "tensormap", "alloca",
		"stacksave", "stackrestore", "szext", "vadd", "vsub", "vabsdiff", "vmin", "vmax", "vshl", "vshr", "vmad",
		"vset", "vadd2", "vsub2", "vavrg2", "vabsdiff2", "vmin2", "vmax2", "vset2", "vadd4", "vsub4", "vavrg4",
		"vabsdiff4", "vmin4", "vmax4", "vset4", "clusterlaunchcontrol",
	} {
		m[name] = true
	}
	return m
}()

// KnownOp says whether the ISA has an instruction of that name, carried or
// not.
func KnownOp(op string) bool {
	return translators[op] != nil || unsupportedOps[op]
}
