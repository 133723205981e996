package gpu

import (
	"errors"
	"sync"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/simt"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// Module is PTX text that is loaded: its variables lie in device memory, its
// kernels are compiled when they are first asked for.
type Module struct {
	dev   *Device
	text  *ptx.Module
	vars  map[string]*ptx.Var
	addr  map[*ptx.Var]uint64
	funcs map[string]int // the definition, else a declaration
	base  uint64         // of the variables' memory, 0 when there are none
	konst int            // bytes of constants

	mu       sync.Mutex
	kernels  map[string]*Function
	unloaded bool
}

// LoadModule loads PTX text. CUDA_ERROR_UNSUPPORTED_PTX_VERSION when it is too
// new, CUDA_ERROR_INVALID_PTX when it is wrong or for a newer GPU; the error
// says what and in which line.
func (d *Device) LoadModule(text string) (*Module, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	parsed, err := ptx.Parse(text)
	switch {
	case errors.Is(err, ptx.ErrVersion):
		return nil, failure(UnsupportedPTXVersion, "parsing PTX: %w", err)
	case err != nil:
		return nil, failure(InvalidPTX, "parsing PTX: %w", err)
	}
	if err := d.checkTarget(parsed.Target); err != nil {
		return nil, err
	}
	m := &Module{dev: d, text: parsed, vars: map[string]*ptx.Var{}, addr: map[*ptx.Var]uint64{},
		funcs: map[string]int{}, kernels: map[string]*Function{}}
	if err := m.declare(); err != nil {
		return nil, err
	}
	return m, m.placeVars()
}

// checkTarget refuses text for a GPU that this one is not.
func (d *Device) checkTarget(target string) error {
	version, specific, ok := targetVersion(target)
	own := d.cfg.Major*10 + d.cfg.Minor
	switch {
	case !ok:
		return failure(InvalidPTX, "unknown .target %s", target)
	case version > own, specific && version != own:
		return failure(InvalidPTX, "PTX for %s does not run on sm_%d", target, own)
	}
	return nil
}

// targetVersion takes "sm_90a" apart: 90, and whether only that very GPU will
// do.
func targetVersion(target string) (version int, specific, ok bool) {
	const prefix = "sm_"
	if len(target) <= len(prefix) || target[:len(prefix)] != prefix {
		return 0, false, false
	}
	for i, c := range []byte(target[len(prefix):]) {
		switch {
		case c >= '0' && c <= '9' && version < 1000:
			version = version*10 + int(c-'0')
		case (c == 'a' || c == 'f') && i > 0 && i == len(target)-len(prefix)-1:
			return version, true, true
		default:
			return 0, false, false
		}
	}
	return version, false, true
}

// declare checks names and opcodes.
func (m *Module) declare() error {
	for _, v := range m.text.Vars {
		if old := m.vars[v.Name]; old != nil && old.Linkage != ptx.Extern {
			continue
		}
		m.vars[v.Name] = v
	}
	for i, f := range m.text.Funcs {
		if old, ok := m.funcs[f.Name]; ok && m.text.Funcs[old].HasBody {
			if f.HasBody {
				return failure(InvalidPTX, "parsing PTX: line %d: %s is defined twice", f.Line, f.Name)
			}
			continue
		}
		m.funcs[f.Name] = i
		for k := range f.Body {
			if in := &f.Body[k]; !simt.KnownOp(in.Op) {
				return failure(InvalidPTX, "parsing PTX: line %d: unknown instruction %s", in.Line, in.Name())
			}
		}
	}
	return nil
}

// placeVars gives the variables device memory and their initial values.
func (m *Module) placeVars() error {
	var size uint64
	at := map[*ptx.Var]uint64{}
	for _, v := range m.text.Vars {
		switch {
		case m.vars[v.Name] != v || v.Space != ptx.Global && v.Space != ptx.Const:
			continue
		case v.Linkage == ptx.Extern:
			return failure(InvalidPTX, "line %d: variable %s is declared but not defined", v.Line, v.Name)
		}
		size = roundUp(size, uint64(max(v.Align, 16)))
		at[v] = size
		size += uint64(v.Size())
		if v.Space == ptx.Const {
			m.konst += v.Size()
		}
	}
	if size == 0 {
		return nil
	}
	base, err := m.dev.Alloc(size)
	if err != nil {
		return err
	}
	m.base = base
	for v, off := range at {
		m.addr[v] = base + off
	}
	for v := range at {
		if err := m.initialise(v); err != nil {
			_ = m.dev.release(base)
			return err
		}
	}
	return nil
}

func (m *Module) initialise(v *ptx.Var) error {
	if len(v.Init) == 0 {
		return nil
	}
	width := v.Type.Bytes()
	buf := make([]byte, 0, len(v.Init)*width)
	for _, in := range v.Init {
		value := in.Value
		if in.Sym != "" {
			addr, err := m.symbol(in.Sym)
			if err != nil {
				return failure(InvalidPTX, "initialising %s: line %d: %w", v.Name, v.Line, err)
			}
			value = addr + uint64(in.Add)
			if in.Byte >= 0 {
				value = value >> (8 * in.Byte) & 0xff
			}
		} else if v.Type.Kind == ptx.Float {
			value = floatInit(value, in, width)
		}
		for i := range width {
			buf = append(buf, byte(value>>(8*i)))
		}
	}
	return m.dev.Write(m.addr[v], buf)
}

// symbol is the address of a variable or function.
func (m *Module) symbol(name string) (uint64, error) {
	if v := m.vars[name]; v != nil {
		if a, ok := m.addr[v]; ok {
			return a, nil
		}
	}
	if i, ok := m.funcs[name]; ok {
		return simt.CodeAddress(i), nil
	}
	return 0, errors.New("unknown symbol " + name)
}

// symbols shows the module to the compiler.
type symbols struct{ m *Module }

func (s symbols) Func(name string) (*ptx.Func, int) {
	if target, ok := s.m.text.Aliases[name]; ok {
		name = target
	}
	i, ok := s.m.funcs[name]
	if !ok {
		return nil, 0
	}
	return s.m.text.Funcs[i], i
}

func (s symbols) Var(name string) *ptx.Var { return s.m.vars[name] }

func (s symbols) Address(v *ptx.Var) uint64 { return s.m.addr[v] }

func (s symbols) Callable() []string {
	var list []string
	for _, f := range s.m.text.Funcs {
		if !f.Entry && f.HasBody {
			list = append(list, f.Name)
		}
	}
	return list
}

// Unload gives the module's memory back after all streams have finished what
// was submitted so far.
func (m *Module) Unload() error {
	m.mu.Lock()
	if m.unloaded {
		m.mu.Unlock()
		return InvalidHandle
	}
	m.unloaded = true
	m.mu.Unlock()
	if m.base == 0 {
		return nil
	}
	return m.dev.Free(m.base)
}

// Global finds a variable: its address and size. CUDA_ERROR_NOT_FOUND.
func (m *Module) Global(name string) (va, size uint64, err error) {
	v := m.vars[name]
	if v == nil {
		return 0, 0, NotFound
	}
	va, ok := m.addr[v]
	if !ok {
		return 0, 0, NotFound
	}
	return va, uint64(v.Size()), nil
}

// Kernels are the names of the module's kernels, in the order of the text.
func (m *Module) Kernels() []string {
	var list []string
	for _, f := range m.text.Funcs {
		if f.Entry && f.HasBody {
			list = append(list, f.Name)
		}
	}
	return list
}

// Function finds and compiles a kernel. CUDA_ERROR_NOT_FOUND when there is
// none of that name, CUDA_ERROR_NOT_SUPPORTED when it uses instructions that
// the interpreter lacks, CUDA_ERROR_INVALID_PTX when it is wrong.
func (m *Module) Function(name string) (*Function, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.kernels[name]; f != nil {
		return f, nil
	}
	i, ok := m.funcs[name]
	if !ok || !m.text.Funcs[i].Entry {
		return nil, NotFound
	}
	source := m.text.Funcs[i]
	program, err := simt.Compile(symbols{m}, source)
	switch {
	case errors.Is(err, simt.ErrUnsupported):
		return nil, &Error{Code: NotSupported, Err: err}
	case err != nil:
		return nil, &Error{Code: InvalidPTX, Err: err}
	}
	if program.LocalBytes > MaxLocalBytes || program.ParamBytes > MaxParamBytes {
		return nil, failure(InvalidPTX, "kernel %s uses %d bytes of local memory, of %d, and %d of parameters, of %d", name,
			program.LocalBytes, MaxLocalBytes, program.ParamBytes, MaxParamBytes)
	}
	if program.SharedBytes > MaxSharedDefault {
		return nil, failure(InvalidPTX, "kernel %s uses %d bytes of shared memory, of %d", name, program.SharedBytes, MaxSharedDefault)
	}
	f := &Function{mod: m, source: source, program: program}
	f.maxDynamic.Store(int64(MaxSharedDefault - program.SharedBytes))
	m.kernels[name] = f
	return f, nil
}
