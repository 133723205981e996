// Package handle maps the numbers that a guest process gives its handles to the
// backend's own handles. Numbers are hostile: they index, they are never
// dereferenced. Not safe for concurrent use: an executor has one consumer.
package handle

import "libvirt-vgpu/mediatord/executor/driver"

// Limit is the number of handles of one kind that a guest process may hold.
const Limit = 1 << 20

type entry struct {
	native uint64
	used   bool
}

// Tables holds one table per kind.
type Tables struct {
	kinds [driver.KindCount][]entry
}

// Get returns the native handle of number; false if there is none.
func (t *Tables) Get(kind driver.Kind, number uint32) (uint64, bool) {
	table := t.kinds[kind]
	if uint64(number) >= uint64(len(table)) || !table[number].used {
		return 0, false
	}
	return table[number].native, true
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
	if missing := int(number) + 1 - len(t.kinds[kind]); missing > 0 {
		t.kinds[kind] = append(t.kinds[kind], make([]entry, missing)...)
	}
	t.kinds[kind][number] = entry{native: native, used: true}
}

// Delete forgets number.
func (t *Tables) Delete(kind driver.Kind, number uint32) {
	if _, ok := t.Get(kind, number); ok {
		t.kinds[kind][number] = entry{}
	}
}

// Each calls fn for every handle of kind.
func (t *Tables) Each(kind driver.Kind, fn func(number uint32, native uint64)) {
	for i, e := range t.kinds[kind] {
		if e.used {
			fn(uint32(i), e.native)
		}
	}
}
