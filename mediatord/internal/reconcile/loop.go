// Package reconcile makes the host's half of a window's tables follow the
// guest's half: it starts and stops executors and cleans channels and chunks.
//
// One goroutine owns all of a Loop's state. The tables are level triggered: a
// doorbell only says "look again", and every scan reads each word once and acts
// on the copy. Whatever the guest writes, a scan's work is bounded by the size
// of the tables, scans and starts are rate limited, and only the domain's own
// channels and chunks are touched.
//
// Lock order: Loop.mu is the only lock and guards what Status reads.
package reconcile

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/limit"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/mediatord/internal/watchdog"
	"libvirt-vgpu/plugin/window"
)

// Eventfds are a domain's doorbells and interrupts; vector 0 is control,
// 1 + channel the channel's own. They stay open longer than the Loop.
type Eventfds interface {
	Doorbell(vector int) *os.File
	Interrupt(vector int) *os.File
}

// Executor is one running executor. No method blocks.
type Executor interface {
	PID() int
	Revoke(chunk int)
	Export(p parcel.Parcel)
	Acquired(p parcel.Parcel)
	Look()
	Expire(result uint32, text string)
	Park(bytes uint64, whole bool)
	Room(made, seen bool)
	RoomHeard()
	Stop()
}

// Launcher starts the executor of a channel; see supervisor.Launch.
type Launcher func(channel int, generation uint32, sink func(supervisor.Event)) (Executor, error)

// Sensors reads what the GPU reports of itself; 0 is unknown.
type Sensors func() (utilization, temperature, milliwatts uint32)

// Config is what a Loop works on. Window, Account and Eventfds belong to the
// caller and must stay open until Close returned.
type Config struct {
	Window   *window.Window
	Account  *window.Account
	Eventfds Eventfds
	Launch   Launcher
	// Resumed says that the window was another mediatord's, which launched Adopted.
	Resumed bool
	Adopted []Adopted
	Sensors Sensors // may be nil
	// GPUTime is the GPU time charged to a channel's executor, in nanoseconds; nil:
	// only the executor's own word is known.
	GPUTime func(channel int) uint64
	// Watchdog ends executors whose kernels do not end; may be nil.
	Watchdog *watchdog.Watchdog
	// Waker lets the loop rest while the executors have nothing to do; nil: it looks at them once a second.
	Waker   Waker
	Parking Parking
	// Changed is called, from the loop's goroutine, after Status changed.
	Changed func()
	// Record is told of executors' lives, from the loop's goroutine; may be nil.
	Record func(events.Event)
	Log    logrus.FieldLogger // carries the domain
}

// What a guest may cause per second.
const (
	scanRate, scanBurst     = 200, 400
	launchRate, launchBurst = 10, 64
)

// The account is looked at this often while an executor runs: fast after a
// change, slower when nothing happens.
const (
	refreshFast = 100 * time.Millisecond
	refreshSlow = time.Second
)

// Loop serves one window.
type Loop struct {
	Config
	warn *logrus.Logger // for what a guest can cause

	channels []channel
	scans    *limit.Bucket
	launches *limit.Bucket
	rescan   *time.Timer // a scan or a launch that had to wait
	refresh  *time.Timer
	pause    time.Duration
	lastUsed uint64
	calm     int    // looks in a row that saw nothing new
	looks    uint32 // ever
	resting  bool   // no look comes until something happens, or somebody is to be parked
	launched uint64
	// requests are parcels under way by their number; each executor waits for
	// at most parcel.MaxPending.
	requests  map[uint64]request
	requested uint64
	raise     bool // vector 0 is to be raised
	changed   bool // Status is to be published
	closing   bool

	kicks  chan struct{}
	events chan event
	pings  chan struct{} // Ping asks
	parks  chan parkWish
	roomed chan party    // room was made for it, or not
	attend chan struct{} // Attend asks
	stop   chan struct{} // StopExecutors asked
	quit   chan struct{} // Close asked
	done   chan struct{} // the loop has ended

	mu      sync.Mutex // guards the rest
	status  []ChannelStatus
	refused map[string]uint64
	meter   meter
	idling  []idling // by channel
}

// event is an executor's event with the launch it belongs to.
type event struct {
	channel int
	launch  uint64
	supervisor.Event
}

// Start begins to serve a window.
func Start(cfg Config) (*Loop, error) {
	l := &Loop{
		Config: cfg, warn: limit.Logger(cfg.Log),
		channels: make([]channel, cfg.Window.Channels),
		scans:    limit.NewBucket(scanRate, scanBurst),
		launches: limit.NewBucket(launchRate, launchBurst),
		rescan:   stoppedTimer(), refresh: stoppedTimer(), pause: refreshFast,
		kicks: make(chan struct{}), events: make(chan event, 64),
		pings: make(chan struct{}), parks: make(chan parkWish), roomed: make(chan party),
		attend: make(chan struct{}, 1), stop: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
		refused: map[string]uint64{}, requests: map[uint64]request{}, meter: newMeter(int(cfg.Window.Channels)),
		idling: make([]idling, cfg.Window.Channels),
	}
	if l.Parking.After == nil {
		l.Parking.After = func() time.Duration { return 0 }
	}
	if l.Parking.ContextAfter == nil {
		l.Parking.ContextAfter = func() time.Duration { return 0 }
	}
	if l.Parking.Budget == nil {
		l.Parking.Budget = new(parking.Budget)
	}
	l.looks, _ = cfg.Window.Looks() // an earlier mediatord's
	bell, err := listenDoorbell(cfg.Eventfds.Doorbell(window.VectorControl), l.kicks, l.done)
	if err != nil {
		return nil, err
	}
	go func() {
		l.run()
		close(l.done)
		bell.close()
	}()
	return l, nil
}

// Ping returns when the loop has come round once, or with ctx's error.
func (l *Loop) Ping(ctx context.Context) error {
	select {
	case l.pings <- struct{}{}:
		return nil
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the reconcile loop: %w", ctx.Err())
	}
}

// StopExecutors ends all executors: the guest is gone. Their channels fail.
func (l *Loop) StopExecutors() {
	select {
	case l.stop <- struct{}{}:
	case <-l.done:
	}
}

// Close ends all executors and returns when they are reaped and the loop has
// ended.
func (l *Loop) Close() {
	l.mu.Lock()
	select {
	case <-l.quit:
	default:
		close(l.quit)
	}
	l.mu.Unlock()
	<-l.done
}

func (l *Loop) run() {
	if l.Resumed {
		l.resume()
	}
	l.scan()
	quit := l.quit
	for !l.closing || l.running() > 0 {
		l.settle()
		kicks := l.kicks
		if l.scans.Wait(time.Now()) > 0 { // a flood of doorbells: let it coalesce
			kicks = nil
			l.rescanIn(l.scans.Wait(time.Now()))
		}
		select {
		case <-kicks:
			l.scan()
			l.wake()
		case <-l.rescan.C:
			l.scan()
		case e := <-l.events:
			l.handle(e)
			l.wake()
		case <-l.refresh.C:
			l.look()
		case <-l.attend:
			l.wake()
		case <-l.pings:
		case wish := <-l.parks:
			l.parkNow(wish)
		case p := <-l.roomed:
			l.rooming(p, false)
		case <-l.stop:
			l.stopAll()
		case <-quit:
			quit, l.closing = nil, true
			l.stopAll()
		}
	}
	l.endRest()
	l.rescan.Stop()
	l.refresh.Stop()
	l.mu.Lock()
	l.status = nil // the account may be gone after this
	l.mu.Unlock()
}

// settle passes on what the last step changed, once for many steps.
func (l *Loop) settle() {
	if len(l.events) > 0 {
		return
	}
	if l.raise {
		l.raise = false
		l.interrupt(window.VectorControl)
	}
	if l.changed {
		l.changed = false
		l.publish()
	}
}

func (l *Loop) running() int {
	count := 0
	for i := range l.channels {
		if l.channels[i].executor != nil {
			count++
		}
	}
	return count
}

func (l *Loop) stopAll() {
	for i := range l.channels {
		if executor := l.channels[i].executor; executor != nil {
			executor.Stop()
		}
	}
}

func (l *Loop) rescanIn(wait time.Duration) { l.rescan.Reset(wait) }

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
