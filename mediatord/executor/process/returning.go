package process

import (
	"fmt"

	"libvirt-vgpu/mediatord/executor/driver"
)

// wayBack is what came of the tries to bring the contexts back since they left.
type wayBack struct {
	tries int
	stuck int           // tries that failed in spite of room, after another one
	last  driver.Return // that failed
	more  uint64        // bytes of the GPU's memory that they need beside those of the account
}

// mostStuck is how many of those there may be: whoever was faster than the first must not
// cost the process its contexts.
const mostStuck = 2

// comeBack brings the contexts back where the GPU has room for them. mediatord is asked
// first, because a driver may never bring back what it has once failed to.
func (p *Process) comeBack() driver.Result {
	bytes := p.checkpoint.host.Load() + p.checkpoint.way.more
	switch p.mayReturn(bytes) {
	case roomNone:
		return driver.ErrorOutOfMemory
	case roomSeen:
		return p.bringBack(true)
	}
	return p.inRoom(bytes, func() driver.Result { return p.bringBack(false) })
}

// bringBack has the driver bring the contexts back; room: the GPU has some, as far as
// anybody can see. After CUDA_ERROR_OUT_OF_MEMORY they are still away.
func (p *Process) bringBack(room bool) driver.Result {
	way := &p.checkpoint.way
	back := p.checkpoint.driver.Restore()
	way.tries++
	if back.Result == driver.Success {
		if way.tries > 1 {
			p.Log.Infof("parking: the context came back at try %d: the process was %v before, and is %v", way.tries, back.Before, back.After)
		}
		return driver.Success
	}
	said := fmt.Sprintf("error %d at try %d, the process was %v before, and is %v", back.Result, way.tries, back.Before, back.After)
	// Where an earlier try found no room driver 580 answers 304 for ever.
	if room && way.tries > 1 && back.Result != driver.ErrorOutOfMemory {
		way.stuck++
	}
	if !back.Away() || way.stuck == mostStuck {
		p.violation = fmt.Errorf("contexts are lost: bringing them back to the GPU failed with %s", said)
		return driver.ErrorUnknown
	}
	if way.tries == 1 || back != way.last {
		p.Log.Warnf("parking: the context found no room on the GPU: %s; it is tried again", said)
	}
	way.last = back
	if room && way.stuck == 0 { // there was too little
		way.more += max(leastRoom, p.checkpoint.host.Load()/4)
	}
	return driver.ErrorOutOfMemory
}
