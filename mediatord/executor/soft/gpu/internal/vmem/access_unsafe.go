package vmem

import "unsafe"

// hostAddr is the address of a region's first byte in this process. The
// region's data keeps the memory alive. Offsets passed to the accesses below
// come from Region.Offset and are aligned, which keeps them inside.
type hostAddr struct{ p unsafe.Pointer }

func addrOf(b []byte) hostAddr { return hostAddr{unsafe.Pointer(unsafe.SliceData(b))} }

func (a hostAddr) aligned() bool { return uintptr(a.p)%Granule == 0 }

// Load8 reads one byte.
func (r *Region) Load8(off uint64) uint64 { return uint64(*(*uint8)(unsafe.Add(r.addr.p, off))) }

// Load16 reads two bytes.
func (r *Region) Load16(off uint64) uint64 { return uint64(*(*uint16)(unsafe.Add(r.addr.p, off))) }

// Load32 reads four bytes.
func (r *Region) Load32(off uint64) uint64 { return uint64(*(*uint32)(unsafe.Add(r.addr.p, off))) }

// Load64 reads eight bytes.
func (r *Region) Load64(off uint64) uint64 { return *(*uint64)(unsafe.Add(r.addr.p, off)) }

// Store8 writes one byte.
func (r *Region) Store8(off, v uint64) { *(*uint8)(unsafe.Add(r.addr.p, off)) = uint8(v) }

// Store16 writes two bytes.
func (r *Region) Store16(off, v uint64) { *(*uint16)(unsafe.Add(r.addr.p, off)) = uint16(v) }

// Store32 writes four bytes.
func (r *Region) Store32(off, v uint64) { *(*uint32)(unsafe.Add(r.addr.p, off)) = uint32(v) }

// Store64 writes eight bytes.
func (r *Region) Store64(off, v uint64) { *(*uint64)(unsafe.Add(r.addr.p, off)) = v }

// Word32 is the word at off for sync/atomic.
func (r *Region) Word32(off uint64) *uint32 { return (*uint32)(unsafe.Add(r.addr.p, off)) }

// Word64 is the doubleword at off for sync/atomic.
func (r *Region) Word64(off uint64) *uint64 { return (*uint64)(unsafe.Add(r.addr.p, off)) }
