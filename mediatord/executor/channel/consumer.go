package channel

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// Executor runs what a Consumer reads. All methods are called on its thread.
type Executor interface {
	// Execute runs one record and appends reply data to reply, an empty slice
	// of capacity RepDataMax. An error ends the consumer; wire.Deferred: the
	// executor replies later by itself.
	Execute(r *Record, reply []byte) ([]byte, driver.Result, error)
	// Admit says whether a record may be executed now; while it says no, Pause
	// waits for something to change, and only Interrupted is called besides.
	Admit(r *Record) bool
	Pause()
	// Quiet is called again and again while the ring is empty, and now and then
	// while the consumer sleeps: Due says after which time it matters, 0 that it
	// does not.
	Quiet()
	Due() time.Duration
	// Idle is called before the consumer sleeps, Awake when it does not any more.
	Idle()
	Awake()
	// Waiting says that the guest process may be waiting for the device.
	Waiting() bool
	// Poll looks for faults while Waiting.
	Poll()
	// Interrupted is called after Wake.
	Interrupted() error
}

// How long the consumer looks at an empty ring before it sleeps, and how often
// it then looks for faults while the process waits for the device.
const (
	spinTime = 2 * time.Millisecond
	// quietTime is how long an executor that bursts looks by itself before Quiet, and
	// calmTime so if Quiet does not matter: a record that comes between two looks waits 0.3 us.
	quietTime = 10 * time.Microsecond
	calmTime  = 200 * time.Microsecond
	// secondLook bounds the first sleep: a guest CPU emulated alone in its
	// machine has no memory barriers, so a record and SLEEPING can miss
	// each other while the record is still in a store buffer.
	secondLook  = time.Millisecond
	pollFirst   = 200 * time.Microsecond
	pollLongest = 2 * time.Millisecond
	// slowReply is when a process has stopped spinning and sleeps.
	slowReply = 200 * time.Microsecond
)

// Consumer consumes one channel's ring in order.
type Consumer struct {
	channel  *Channel
	executor Executor
	doorbell int
	wakeFD   int
	woken    *atomic.Uint32 // 1: Interrupted is to be called
	reply    []byte
	record   Record
	spent    spent
	rhythm   rhythm
	burster  Burster       // the executor, if it is one
	run      *driver.Burst // by itself, because C sees it
}

// NewConsumer consumes c. doorbell is the eventfd that the guest rings when the
// channel's SLEEPING word is 1.
func NewConsumer(c *Channel, e Executor, doorbell int) (*Consumer, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("creating wake-up eventfd: %w", err)
	}
	consumer := &Consumer{
		channel: c, executor: e, doorbell: doorbell, wakeFD: wake, woken: new(atomic.Uint32), run: new(driver.Burst),
		reply: make([]byte, 0, window.RepDataMax),
	}
	consumer.burster, _ = e.(Burster)
	c.place(consumer.run)
	return consumer, nil
}

// Wake makes the consumer call Interrupted soon. Any goroutine may call it.
func (c *Consumer) Wake() {
	c.woken.Store(1)
	_, _ = unix.Write(c.wakeFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// Run consumes until Execute or Interrupted fails, or the ring is malformed
// (ErrRecord, wire.ErrMalformed).
func (c *Consumer) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		consumed, err := c.Step()
		if err != nil {
			return err
		}
		if !consumed {
			c.idle()
		}
	}
}

// Step does what there is to do without waiting: false if there was no record.
func (c *Consumer) Step() (bool, error) {
	if c.woken.Load() != 0 && c.woken.Swap(0) != 0 { // a swap for every record would cost more
		if err := c.executor.Interrupted(); err != nil {
			return false, err
		}
	}
	if c.burst(0) > 0 {
		return true, nil
	}
	ok, err := c.channel.Next(&c.record)
	if err != nil || !ok {
		return false, err
	}
	for !c.executor.Admit(&c.record) {
		c.executor.Pause()
		if c.woken.Swap(0) != 0 {
			if err := c.executor.Interrupted(); err != nil {
				return false, err
			}
		}
	}
	return true, c.consume(&c.record)
}

func (c *Consumer) consume(r *Record) error {
	var start time.Time
	if r.HasReply() {
		start = time.Now()
	}
	data, result, err := c.executor.Execute(r, c.reply[:0])
	if err != nil {
		return fmt.Errorf("executing %s: %w", wire.Name(r.Opcode), err)
	}
	if len(data) > window.RepDataMax {
		return fmt.Errorf("executing %s: reply of %d bytes, at most %d", wire.Name(r.Opcode), len(data), window.RepDataMax)
	}
	switch {
	case result == wire.Deferred:
	case r.HasReply():
		c.channel.Reply(r.Call.Reply, r.Call.Sequence, result, data)
	case result != driver.Success:
		c.channel.SetAsync(r.Opcode, result)
	}
	c.channel.Advance(r)
	if r.HasReply() {
		took := time.Since(start)
		c.spent.add(r.Opcode, took)
		if took > slowReply {
			c.channel.Interrupt()
		}
	}
	return nil
}

func (c *Consumer) empty() bool {
	return c.channel.Empty() && c.woken.Load() == 0
}

// idle returns when there may be something to do.
func (c *Consumer) idle() {
	start := time.Now()
	defer func() { c.rhythm.note(time.Since(start)) }()
	if c.look(&start, spinTime) {
		return
	}
	if from, until, ok := c.rhythm.expects(); ok {
		if from > spinTime && c.rest(start.Add(from)) || c.look(&start, until) {
			return
		}
	}
	c.rest(time.Time{})
}

// rest is sleep, which the executor is told of.
func (c *Consumer) rest(until time.Time) bool {
	c.executor.Idle()
	defer c.executor.Awake()
	return c.sleep(until)
}

// look waits for a record until so long after start, which every burst sets anew, and
// says whether there is one.
func (c *Consumer) look(start *time.Time, until time.Duration) bool {
	for time.Since(*start) < until {
		alone := quietTime
		if c.executor.Due() == 0 {
			alone = calmTime
		}
		if c.burst(alone) > 0 {
			c.rhythm.note(time.Since(*start))
			*start = time.Now()
			continue
		}
		for range 64 {
			if !c.empty() {
				return true
			}
		}
		c.executor.Quiet()
	}
	return false
}

// sleep returns true when there is a record, or a Wake, and false at the given time, if
// there is one. What the executor is due to look at meanwhile, it does.
func (c *Consumer) sleep(until time.Time) bool {
	first := true
	for pause := pollFirst; ; pause = min(2*pause, pollLongest) {
		var timeout time.Duration
		waiting, due := c.executor.Waiting(), c.executor.Due()
		switch {
		case due > 0:
			timeout = min(pause, due)
		case waiting:
			timeout = pause
		case first:
			timeout = secondLook
		}
		first = false
		if !until.IsZero() {
			left := time.Until(until)
			if left <= 0 {
				return false
			}
			if timeout == 0 || left < timeout {
				timeout = left
			}
		}
		if c.doze(timeout) {
			return true
		}
		if due > 0 {
			c.executor.Quiet()
		}
		if waiting {
			c.executor.Poll()
		}
	}
}

// doze sleeps until the guest rings or somebody wakes the consumer, at most that long
// if it is more than 0, and says whether there is something to do.
func (c *Consumer) doze(atMost time.Duration) bool {
	// Both sides store, then load; sequentially consistent atomics
	// see to it that at least one notices the other.
	c.channel.sleeping.Store(1)
	if !c.empty() {
		c.channel.sleeping.Store(0)
		return true
	}
	var timeout *unix.Timespec
	if atMost > 0 {
		t := unix.NsecToTimespec(int64(atMost))
		timeout = &t
	}
	fds := [...]unix.PollFd{
		{Fd: int32(c.doorbell), Events: unix.POLLIN},
		{Fd: int32(c.wakeFD), Events: unix.POLLIN},
	}
	_, _ = unix.Ppoll(fds[:], timeout, nil) // interrupted is as good as woken
	c.channel.sleeping.Store(0)
	for _, fd := range fds {
		if fd.Revents&unix.POLLIN != 0 {
			var count [8]byte
			_, _ = unix.Read(int(fd.Fd), count[:])
		}
	}
	return !c.empty()
}
