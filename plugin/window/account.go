package window

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrQuota: an allocation would take the domain over its memory quota.
var ErrQuota = errors.New("memory quota exceeded")

// Places in the account.
const (
	accountSize   = accountStatistics + MaxChannels*statisticsEntry
	accountQuota  = 0    // u64, bytes
	accountEver   = 8    // u64, shares from the first on that were ever used
	accountUsed   = 64   // u64[MaxChannels], bytes of device memory per channel
	accountShares = 4096 // { u64 bytes, u64 holders }[MaxShares], up to the statistics
)

// Account is the memory in which a domain's executors count the device memory
// they use and what they do. mediatord and the executors share it; no guest sees it.
type Account struct {
	file   *os.File
	memory []byte
}

// CreateAccount makes the account of a domain with a quota in bytes.
func CreateAccount(name string, quota uint64) (*Account, error) {
	if len(name) > 200 {
		name = name[:200]
	}
	fd, err := unix.MemfdCreate("vgpu-account-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("creating account: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "account "+name)
	err = file.Truncate(accountSize)
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals)
	}
	var a *Account
	if err == nil {
		a, err = MapAccount(file)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("creating account: %w", err)
	}
	a.double(accountQuota).Store(quota)
	return a, nil
}

// MapAccount maps an account that another process created. On success the
// Account owns file.
func MapAccount(file *os.File) (*Account, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("mapping account: %w", err)
	}
	if info.Size() != accountSize {
		return nil, fmt.Errorf("mapping account: size is %d, should be %d", info.Size(), accountSize)
	}
	memory, err := mapShared(file, accountSize)
	if err != nil {
		return nil, fmt.Errorf("mapping account: %w", err)
	}
	return &Account{file: file, memory: memory}, nil
}

// File is the memfd; the account keeps owning it.
func (a *Account) File() *os.File { return a.file }

// Quota is the domain's limit in bytes.
func (a *Account) Quota() uint64 { return a.double(accountQuota).Load() }

// SetQuota changes the domain's limit, in bytes. What is in use stays in use;
// executors read the limit at every allocation.
func (a *Account) SetQuota(quota uint64) { a.double(accountQuota).Store(quota) }

// Used is what channel i counts, in bytes, with the shared memory that no lower
// channel holds. It panics beyond MaxChannels.
func (a *Account) Used(i int) uint64 { return a.used(i).Load() + a.sharedBy(i) }

// Total is what all channels count, in bytes; what they share counts once.
func (a *Account) Total() uint64 {
	sum := a.shared()
	for i := range MaxChannels {
		sum += a.used(i).Load()
	}
	return sum
}

// Reserve counts bytes for channel i, or fails with ErrQuota and counts
// nothing. Two calls that race for the last bytes may both fail.
func (a *Account) Reserve(i int, bytes uint64) error {
	quota := a.Quota()
	if quota != 0 && bytes > quota {
		return fmt.Errorf("%w: %d bytes asked for, quota is %d", ErrQuota, bytes, quota)
	}
	a.used(i).Add(bytes)
	if total := a.Total(); quota != 0 && total > quota {
		a.Release(i, bytes)
		return fmt.Errorf("%w: %d bytes more would make %d, quota is %d", ErrQuota, bytes, total, quota)
	}
	return nil
}

// Charge counts bytes for channel i that are in use already, whatever the quota says.
func (a *Account) Charge(i int, bytes uint64) { a.used(i).Add(bytes) }

// Release takes bytes off what channel i counts.
func (a *Account) Release(i int, bytes uint64) { a.used(i).Add(^(bytes - 1)) }

// Clear forgets what channel i counts, holds and did: its executor is gone.
func (a *Account) Clear(i int) {
	a.used(i).Store(0)
	a.SetStatistics(i, Statistics{})
	for share := range a.everShared() {
		a.Drop(share, i)
	}
}

// Close unmaps the page and closes the memfd.
func (a *Account) Close() error {
	err := unix.Munmap(a.memory)
	a.memory = nil
	if cerr := a.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("closing account: %w", err)
	}
	return nil
}

func (a *Account) used(i int) *atomic.Uint64 {
	if i < 0 || i >= MaxChannels {
		panic(fmt.Errorf("%w: channel %d", ErrRange, i))
	}
	return a.double(accountUsed + uint64(i)*8)
}
