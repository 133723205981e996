// Package handle maps the numbers that a guest process gives its handles to the
// backend's own handles. Numbers are hostile: they index, they are never
// dereferenced. Not safe for concurrent use: an executor has one consumer.
package handle

import "libvirt-vgpu/mediatord/executor/driver"

// Limit is the number of handles of one kind that a guest process may hold.
const Limit = 1 << 20

// Owner is the handle with which another one ends, besides its context: the
// module of a function, the library of a kernel.
type Owner struct {
	Kind   driver.Kind
	Number uint32
}

// none owns nothing: there is no context 0.
var none = Owner{Kind: driver.KindContext}

type entry struct {
	native  uint64
	owner   Owner
	context uint32 // with which it ends whatever its owner does, 0: none
	// parameters is how many bytes of them a kernel takes, plus one; 0: nobody knows.
	parameters uint32
	used       bool
}

// Tables holds one table per kind.
type Tables struct {
	// Context is the number of the current context: it owns the streams,
	// events, modules and arrays that are put from now on.
	Context uint32
	kinds   [driver.KindCount][]entry
}

// Get returns the native handle of number; false if there is none.
func (t *Tables) Get(kind driver.Kind, number uint32) (uint64, bool) {
	table := t.kinds[kind]
	if uint64(number) >= uint64(len(table)) || !table[number].used {
		return 0, false
	}
	return table[number].native, true
}

// OwnerOf is the handle with which a handle ends, if there is one besides its
// context.
func (t *Tables) OwnerOf(kind driver.Kind, number uint32) (Owner, bool) {
	if _, ok := t.Get(kind, number); !ok {
		return none, false
	}
	owner := t.kinds[kind][number].owner
	return owner, owner != none
}

// SetParameters notes how many bytes of parameters a function or kernel takes.
func (t *Tables) SetParameters(kind driver.Kind, number, bytes uint32) {
	if _, ok := t.Get(kind, number); ok {
		t.kinds[kind][number].parameters = bytes + 1
	}
}

// Parameters is what SetParameters noted; false: nothing.
func (t *Tables) Parameters(kind driver.Kind, number uint32) (bytes uint32, known bool) {
	if _, ok := t.Get(kind, number); !ok || t.kinds[kind][number].parameters == 0 {
		return 0, false
	}
	return t.kinds[kind][number].parameters - 1, true
}

// Find returns the number of a native handle, the lowest if it has several. It
// looks at all of them.
func (t *Tables) Find(kind driver.Kind, native uint64) (uint32, bool) {
	for i, e := range t.kinds[kind] {
		if e.used && e.native == native {
			return uint32(i), true
		}
	}
	return 0, false
}

// Free reports whether number may be given to a new handle.
func (t *Tables) Free(kind driver.Kind, number uint32) bool {
	if number >= Limit {
		return false
	}
	_, used := t.Get(kind, number)
	return !used
}

// Put stores a handle; the caller has asked Free.
func (t *Tables) Put(kind driver.Kind, number uint32, native uint64) {
	t.PutOwned(kind, number, native, none)
}

// PutOwned is Put for a handle that ends with owner.
func (t *Tables) PutOwned(kind driver.Kind, number uint32, native uint64, owner Owner) {
	if missing := int(number) + 1 - len(t.kinds[kind]); missing > 0 {
		t.kinds[kind] = append(t.kinds[kind], make([]entry, missing)...)
	}
	e := entry{native: native, owner: owner, used: true}
	switch kind {
	case driver.KindStream, driver.KindEvent, driver.KindModule, driver.KindFunction,
		driver.KindArray, driver.KindMipmap, driver.KindTexref, driver.KindSurfref:
		e.context = t.Context
	}
	t.kinds[kind][number] = e
}

// Delete forgets number and everything it owns.
func (t *Tables) Delete(kind driver.Kind, number uint32) {
	if _, ok := t.Get(kind, number); !ok {
		return
	}
	t.kinds[kind][number] = entry{}
	for _, owned := range ownedKinds(kind) {
		for i, e := range t.kinds[owned] {
			if e.used && (e.owner == Owner{kind, number} || kind == driver.KindContext && e.context == number) {
				t.Delete(owned, uint32(i))
			}
		}
	}
}

func ownedKinds(kind driver.Kind) []driver.Kind {
	switch kind {
	case driver.KindContext:
		return []driver.Kind{driver.KindStream, driver.KindEvent, driver.KindFunction, driver.KindModule,
			driver.KindArray, driver.KindMipmap, driver.KindTexref, driver.KindSurfref}
	case driver.KindModule:
		return []driver.Kind{driver.KindFunction, driver.KindTexref, driver.KindSurfref}
	case driver.KindArray, driver.KindMipmap:
		return []driver.Kind{driver.KindArray}
	case driver.KindLibrary:
		return []driver.Kind{driver.KindKernel, driver.KindModule}
	case driver.KindKernel:
		return []driver.Kind{driver.KindFunction}
	}
	return nil
}

// Each calls fn for every handle of kind.
func (t *Tables) Each(kind driver.Kind, fn func(number uint32, native uint64)) {
	for i, e := range t.kinds[kind] {
		if e.used {
			fn(uint32(i), e.native)
		}
	}
}

// EachIn calls fn for every handle of kind that ends with the context.
func (t *Tables) EachIn(kind driver.Kind, context uint32, fn func(number uint32, native uint64)) {
	for i, e := range t.kinds[kind] {
		if e.used && e.context == context {
			fn(uint32(i), e.native)
		}
	}
}

// EachOwned calls fn for every handle of kind that owner owns.
func (t *Tables) EachOwned(kind driver.Kind, owner Owner, fn func(number uint32, native uint64)) {
	for i, e := range t.kinds[kind] {
		if e.used && e.owner == owner {
			fn(uint32(i), e.native)
		}
	}
}
