package window

// Places of what the domain's GPU takes by itself. mediatord writes them before
// there are executors.
const (
	accountContext     = 16 // u64, bytes that the first context of a process costs
	accountMoreContext = 24 // u64, bytes that each further one costs
	accountArch        = 32 // u64, compute capability, 90 for 9.0; 0: not known
)

// Facts are what executors must know of the domain's GPU to count what they do not
// allocate themselves. No guest can change them.
type Facts struct {
	Context     uint64 // bytes that the first context of a process costs
	MoreContext uint64 // bytes that each further one costs
	Arch        uint32 // compute capability, 90 for 9.0; 0: not known
}

// SetFacts notes them for executors that start from now on.
func (a *Account) SetFacts(f Facts) {
	a.double(accountContext).Store(f.Context)
	a.double(accountMoreContext).Store(f.MoreContext)
	a.double(accountArch).Store(uint64(f.Arch))
}

// Facts reads them; all are 0 if nobody has noted any.
func (a *Account) Facts() Facts {
	return Facts{
		Context: a.double(accountContext).Load(), MoreContext: a.double(accountMoreContext).Load(),
		Arch: uint32(a.double(accountArch).Load()),
	}
}

// Attributes (CUdevice_attribute) of the compute capability.
const (
	attributeMajor = 75
	attributeMinor = 76
)

// Facts are what the description of a physical GPU says of it.
func (d *Description) Facts() Facts {
	f := Facts{Context: d.ContextMemory, MoreContext: d.MoreContextMemory}
	if len(d.Attributes) > attributeMinor {
		f.Arch = uint32(d.Attributes[attributeMajor].Value*10 + d.Attributes[attributeMinor].Value)
	}
	return f
}
