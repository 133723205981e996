package window

import (
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
)

// MaxShares is how many pieces of memory a domain's processes may share at once.
const MaxShares = (accountStatistics - accountShares) / 16

var (
	// ErrShares: the domain's processes share MaxShares pieces already.
	ErrShares = errors.New("too many pieces of shared memory")
	// ErrNotShared: nobody holds that piece any more.
	ErrNotShared = errors.New("memory is not shared any more")
)

// A share is memory that several channels hold: it lives until the last of them
// has dropped it, whoever made it, and counts once. Its bytes change from 0 when
// it is made and to 0 after its last holder; its holders are one bit per channel.

// Share makes bytes that channel i counts as its own a piece of memory that
// others may hold too, and returns its number. ErrShares.
func (a *Account) Share(i int, bytes uint64) (int, error) {
	own := a.used(i)
	for share := range MaxShares {
		size, holders := a.share(share)
		if holders.Load() != 0 || !size.CompareAndSwap(0, bytes) {
			continue
		}
		a.noteShare(share)
		holders.Store(1 << i)
		own.Add(^(bytes - 1))
		return share, nil
	}
	return 0, fmt.Errorf("%w: %d", ErrShares, MaxShares)
}

// Hold makes channel i one more holder. The caller holds the share, or knows
// that another does; ErrNotShared if that is over.
func (a *Account) Hold(share, i int) error {
	if share < 0 || share >= MaxShares || i < 0 || i >= MaxChannels {
		return fmt.Errorf("%w: share %d, channel %d", ErrRange, share, i)
	}
	_, holders := a.share(share)
	for {
		now := holders.Load()
		if now == 0 {
			return ErrNotShared
		}
		if holders.CompareAndSwap(now, now|1<<i) {
			return nil
		}
	}
}

// Drop takes channel i out of the holders, if it is one; the last one ends the
// share.
func (a *Account) Drop(share, i int) {
	size, holders := a.share(share)
	for {
		now := holders.Load()
		if now&(1<<i) == 0 {
			return
		}
		if !holders.CompareAndSwap(now, now&^(1<<i)) {
			continue
		}
		if now == 1<<i {
			size.Store(0)
		}
		return
	}
}

// noteShare counts share among those that sums must look at.
func (a *Account) noteShare(share int) {
	ever := a.double(accountEver)
	for {
		now := ever.Load()
		if now > uint64(share) || ever.CompareAndSwap(now, uint64(share)+1) {
			return
		}
	}
}

// everShared bounds the shares that may be in use.
func (a *Account) everShared() int { return int(min(a.double(accountEver).Load(), MaxShares)) }

// shared is what all shares have, in bytes.
func (a *Account) shared() uint64 {
	var sum uint64
	for share := range a.everShared() {
		size, _ := a.share(share)
		sum += size.Load()
	}
	return sum
}

// sharedBy is what the shares have whose lowest holder is channel i.
func (a *Account) sharedBy(i int) uint64 {
	var sum uint64
	for share := range a.everShared() {
		size, holders := a.share(share)
		if now := holders.Load(); now != 0 && bits.TrailingZeros64(now) == i {
			sum += size.Load()
		}
	}
	return sum
}

func (a *Account) share(share int) (size, holders *atomic.Uint64) {
	at := uint64(accountShares + share*16)
	return a.double(at), a.double(at + 8)
}
