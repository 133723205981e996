package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
)

// unshared says that memory is this process's alone.
const unshared = -1

// physical is device memory as the account knows it.
type physical struct {
	size  uint64
	share int // in the account; unshared: counted as the channel's own
}

// give takes memory that is gone, or that others go on with, off the account.
func (m *deviceMemory) give(f *physical) {
	if f.share == unshared {
		m.free(f.size)
		return
	}
	m.letGo(f.share)
}

// letGo gives up one of the process's holds on a share.
func (m *deviceMemory) letGo(share int) {
	if m.shares[share]--; m.shares[share] > 0 {
		return
	}
	delete(m.shares, share)
	m.account.Drop(share, m.channel)
}

// offer makes memory shared and holds it for the channel that will import it,
// which may be this one.
func (m *deviceMemory) offer(f *physical, importer int) driver.Result {
	if f.share == unshared {
		share, err := m.account.Share(m.channel, f.size)
		if err != nil {
			return driver.ErrorOutOfMemory
		}
		f.share = share
		m.shares[share]++
	}
	if importer == m.channel {
		m.shares[f.share]++
		return driver.Success
	}
	if m.account.Hold(f.share, importer) != nil {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// accept takes over the hold that came with memory from another channel. own:
// the process offered it to itself and has counted it.
func (m *deviceMemory) accept(share int, own bool) {
	if !own {
		m.shares[share]++
	}
}
