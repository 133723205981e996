package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// graphMemory accounts memory that graphs allocate when they run. What the driver
// holds for graphs is accounted with the pools; but its physical pages come with
// the first launch or upload, too late to refuse. So an executable graph is
// charged from its instantiation on for all it allocates, as far as the driver
// does not hold it yet.
type graphMemory struct {
	memory  *deviceMemory
	pools   *pools
	plans   map[driver.GraphExec]*graphPlan // 0: the one that is being made
	charged uint64
}

type graphPlan struct {
	bytes uint64
	ran   bool // launched or uploaded: its memory is there
}

// plan charges an executable graph that is about to be made. Memory that the
// driver only caches is given up before the quota refuses.
func (m *graphMemory) plan(bytes uint64) driver.Result {
	if bytes == 0 {
		return driver.Success
	}
	m.plans[0] = &graphPlan{bytes: bytes}
	m.pools.used = true
	r := m.settle()
	if r == driver.ErrorOutOfMemory && m.pools.driver.GraphMemoryTrim() == driver.Success {
		m.pools.trim()
		r = m.settle()
	}
	if r != driver.Success {
		delete(m.plans, 0)
	}
	return r
}

// made says which executable graph the plan was for; 0: none came of it.
func (m *graphMemory) made(x driver.GraphExec) {
	plan := m.plans[0]
	if plan == nil {
		return
	}
	delete(m.plans, 0)
	if x != 0 {
		m.plans[x] = plan
		return
	}
	m.settle()
}

// planned is what an executable graph allocates when it runs.
func (m *graphMemory) planned(x driver.GraphExec) uint64 {
	if plan := m.plans[x]; plan != nil {
		return plan.bytes
	}
	return 0
}

// ran notes that the memory of an executable graph is there.
func (m *graphMemory) ran(x driver.GraphExec) {
	if len(m.plans) == 0 {
		return
	}
	if plan := m.plans[x]; plan != nil && !plan.ran {
		plan.ran = true
		m.settle()
	}
}

// drop is for an executable graph that is gone.
func (m *graphMemory) drop(x driver.GraphExec) {
	if m.plans[x] != nil {
		delete(m.plans, x)
		m.settle()
	}
}

// settle makes the charge what it must be beside that of the pools.
func (m *graphMemory) settle() driver.Result {
	if m.pools.away() {
		return driver.Success
	}
	value, r := m.pools.driver.GraphMemoryGet(driver.GraphMemoryReserved)
	if r != driver.Success {
		return r
	}
	need := m.need(binary.LittleEndian.Uint64(value[:]))
	if need > m.charged {
		if r := m.memory.reserve(need - m.charged); r != driver.Success {
			return r
		}
	} else {
		m.memory.free(m.charged - need)
	}
	m.charged = need
	m.pools.settle()
	return driver.Success
}

// need is what must be charged while the driver holds reserved bytes.
func (m *graphMemory) need(reserved uint64) uint64 {
	var waiting, running uint64
	for _, plan := range m.plans {
		if plan.ran {
			running += plan.bytes
		} else {
			waiting += plan.bytes
		}
	}
	return waiting + running - min(running, reserved)
}

// GraphLaunch adds the account to the driver's call.
func (n *native) GraphLaunch(x driver.GraphExec, s driver.Stream) driver.Result {
	r := n.Driver.GraphLaunch(x, s)
	n.process.graphs.memory.ran(x)
	return r
}

// GraphUpload adds the account to the driver's call.
func (n *native) GraphUpload(x driver.GraphExec, s driver.Stream) driver.Result {
	r := n.Driver.GraphUpload(x, s)
	n.process.graphs.memory.ran(x)
	return r
}

// GraphexecDestroy adds the account to the driver's call.
func (n *native) GraphexecDestroy(x driver.GraphExec) driver.Result {
	r := n.Driver.GraphexecDestroy(x)
	if r == driver.Success {
		n.process.graphs.memory.drop(x)
	}
	return r
}
