package mediator

import "sync"

// keyLock is a mutex per key: two operations on one domain, or GPU, wait for each
// other, operations on different ones do not.
type keyLock[K comparable] struct {
	mu    sync.Mutex // guards locks
	locks map[K]*countedLock
}

type countedLock struct {
	sync.Mutex
	users int
}

// lock locks a key and returns its unlock.
func (k *keyLock[K]) lock(key K) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[K]*countedLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &countedLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}
