package gpu

import "golang.org/x/sys/unix"

// Checkpoint moves what is in the device's memory to the process's own, and holds up
// whoever calls the device until Restore, as a driver does. Nothing may be under way.
// It fails with NotSupported if another device has memory of this one.
func (d *Device) Checkpoint() error {
	if err := d.Synchronize(); err != nil {
		return err
	}
	d.submit.Lock()
	d.memory.mu.Lock()
	h := &d.memory
	for m := range h.physical {
		if m.foreign || m.exported {
			h.mu.Unlock()
			d.submit.Unlock()
			return NotSupported
		}
	}
	h.away = map[*Memory][]byte{}
	for m := range h.physical {
		h.away[m] = append([]byte(nil), m.data...)
		_ = unix.Fallocate(m.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, int64(len(m.data))) // of a memfd of our own
	}
	if d.cfg.Share != nil {
		h.left = d.cfg.Share.Taken()
		h.give(h.left)
	}
	return nil
}

// Restore undoes Checkpoint. It fails with OutOfMemory, and has changed nothing, if the
// device's share of memory is not there any more.
func (d *Device) Restore() error {
	h := &d.memory
	if h.away == nil {
		return InvalidValue
	}
	if !h.take(h.left) {
		return OutOfMemory
	}
	for m, data := range h.away {
		copy(m.data, data)
	}
	h.away = nil
	h.mu.Unlock()
	d.submit.Unlock()
	return nil
}
