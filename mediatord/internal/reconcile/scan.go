package reconcile

import (
	"time"

	"libvirt-vgpu/plugin/window"
)

func now() time.Time { return time.Now() }

// scan compares both tables with what runs.
func (l *Loop) scan() {
	l.scans.Take(now())
	for i := range l.channels {
		l.reconcileChannel(i)
	}
	for chunk := range int(l.Window.Chunks) {
		if e := l.Window.Chunk(chunk); e.Returned() {
			l.reclaim(chunk, e)
		}
	}
}

// reclaim frees a returned chunk, after the executor that may have it mapped
// confirmed that it dropped it.
func (l *Loop) reclaim(chunk int, e window.ChunkEntry) {
	owner := e.Owner()
	if l.Window.CheckChannel(owner) != nil || l.channels[owner].executor == nil {
		l.freeChunk(chunk, e)
		return
	}
	c := &l.channels[owner]
	if _, asked := c.revoking[chunk]; !asked && !c.resuming {
		c.revoking[chunk] = struct{}{}
		c.executor.Revoke(chunk)
	}
}

// revoked acts on an executor's word that it dropped a chunk.
func (l *Loop) revoked(owner, chunk int) {
	c := &l.channels[owner]
	if c.resuming {
		return // another mediatord asked; the scan after Resumed asks again
	}
	if _, asked := c.revoking[chunk]; !asked {
		l.logChannel(owner).Warnf("executor dropped chunk %d, which nobody asked for", chunk)
		return
	}
	delete(c.revoking, chunk)
	if e := l.Window.Chunk(chunk); e.Returned() && e.Owner() == owner {
		l.freeChunk(chunk, e)
	}
}

// freeChunk makes a chunk read as zero and its entry free, if the entry still is
// the one that was read.
func (l *Loop) freeChunk(chunk int, e window.ChunkEntry) {
	if err := l.Window.PunchChunk(chunk); err != nil {
		l.warn.WithError(err).Error("cleaning chunk failed")
		return
	}
	l.Window.SwapChunk(chunk, e, 0)
	l.raise = true
}

// showUse tells the guest how much memory is in use, and by which of its processes.
func (l *Loop) showUse() (changed bool) {
	used := l.Account.Total()
	changed = used != l.lastUsed
	l.lastUsed = used
	l.Window.SetUsedMemory(used)
	for i := range l.channels {
		c := &l.channels[i]
		if !l.serves(i) {
			l.Window.SetUser(i, 0, 0)
			continue
		}
		l.Window.SetUser(i, c.process.PID, l.Account.Used(i))
	}
	return changed
}
