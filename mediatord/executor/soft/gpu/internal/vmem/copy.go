package vmem

import "sync/atomic"

// copyChunk bounds how long a copy keeps mappings from changing.
const copyChunk = 1 << 20

// each calls f for the pieces of [va, va+size) in order, holding s.mu for
// reading during each call.
func (s *Space) each(va, size uint64, access Access, f func(piece []byte)) error {
	for size > 0 {
		s.mu.RLock()
		r := s.find(va)
		if r == nil || r.access < access {
			s.mu.RUnlock()
			return ErrNotMapped
		}
		off := va - r.base
		n := min(r.size-off, size, copyChunk)
		f(r.data[off : off+n])
		s.mu.RUnlock()
		va += n
		size -= n
	}
	return nil
}

// Read copies from va to p.
func (s *Space) Read(p []byte, va uint64) error {
	return s.each(va, uint64(len(p)), ReadOnly, func(piece []byte) { p = p[copy(p, piece):] })
}

// Write copies p to va.
func (s *Space) Write(va uint64, p []byte) error {
	return s.each(va, uint64(len(p)), ReadWrite, func(piece []byte) { p = p[copy(piece, p):] })
}

// Copy copies size bytes between addresses; ranges that overlap are copied as
// by memmove when they lie in the same region.
func (s *Space) Copy(dst, src, size uint64) error {
	if dst > src && dst-src < size { // from the end, so that nothing is overwritten unread
		for size > 0 {
			n := min(size, copyChunk)
			size -= n
			if err := s.copyPiece(dst+size, src+size, n); err != nil {
				return err
			}
		}
		return nil
	}
	for done := uint64(0); done < size; {
		n := min(size-done, copyChunk)
		if err := s.copyPiece(dst+done, src+done, n); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// copyPiece copies a small range under one lock.
func (s *Space) copyPiece(dst, src, size uint64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for size > 0 {
		from, to := s.find(src), s.find(dst)
		if from == nil || to == nil || from.access < ReadOnly || to.access < ReadWrite {
			return ErrNotMapped
		}
		n := min(size, from.end()-src, to.end()-dst)
		if n < size && dst > src && dst-src < size {
			// An overlapping range over a border: go through a buffer.
			return s.copyBuffered(dst, src, size)
		}
		copy(to.data[dst-to.base:][:n], from.data[src-from.base:][:n])
		dst, src, size = dst+n, src+n, size-n
	}
	return nil
}

func (s *Space) copyBuffered(dst, src, size uint64) error {
	var buf []byte
	for at, end := src, src+size; at < end; {
		r := s.find(at)
		if r == nil || r.access < ReadOnly {
			return ErrNotMapped
		}
		n := min(end-at, r.end()-at)
		buf = append(buf, r.data[at-r.base:][:n]...)
		at += n
	}
	for len(buf) > 0 {
		r := s.find(dst)
		if r == nil || r.access < ReadWrite {
			return ErrNotMapped
		}
		n := copy(r.data[dst-r.base:], buf)
		buf, dst = buf[n:], dst+uint64(n)
	}
	return nil
}

// Fill repeats pattern from va; size is a multiple of its length, which is
// 1, 2 or 4.
func (s *Space) Fill(va, size uint64, pattern []byte) error {
	phase := 0
	return s.each(va, size, ReadWrite, func(piece []byte) {
		n := 0
		for n < len(piece) && n < len(pattern) {
			piece[n] = pattern[(phase+n)%len(pattern)]
			n++
		}
		for n < len(piece) { // double what is there
			n += copy(piece[n:], piece[:n-n%len(pattern)])
		}
		phase = (phase + len(piece)) % len(pattern)
	})
}

// Load32 reads a word atomically.
func (s *Space) Load32(va uint64) (uint32, error) {
	var v uint32
	err := s.word(va, 4, ReadOnly, func(r *Region, off uint64) { v = atomic.LoadUint32(r.Word32(off)) })
	return v, err
}

// Store32 writes a word atomically.
func (s *Space) Store32(va uint64, v uint32) error {
	return s.word(va, 4, ReadWrite, func(r *Region, off uint64) { atomic.StoreUint32(r.Word32(off), v) })
}

// Load64 reads a doubleword atomically.
func (s *Space) Load64(va uint64) (uint64, error) {
	var v uint64
	err := s.word(va, 8, ReadOnly, func(r *Region, off uint64) { v = atomic.LoadUint64(r.Word64(off)) })
	return v, err
}

// Store64 writes a doubleword atomically.
func (s *Space) Store64(va, v uint64) error {
	return s.word(va, 8, ReadWrite, func(r *Region, off uint64) { atomic.StoreUint64(r.Word64(off), v) })
}

func (s *Space) word(va, size uint64, access Access, f func(*Region, uint64)) error {
	if va%size != 0 {
		return ErrAlignment
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.find(va)
	if r == nil || r.access < access {
		return ErrNotMapped
	}
	f(r, va-r.base)
	return nil
}
