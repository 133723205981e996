package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/mediatord/executor/output"
	"libvirt-vgpu/mediatord/executor/pinned"
	"libvirt-vgpu/mediatord/executor/process"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

// File descriptors that mediatord passes.
const (
	fdControl = 3 + iota
	fdWindow
	fdDoorbell
	fdInterrupt
	fdAccount
	fdLeases // with --lease
	fdReport // with --lease
)

// systemNotReady is CUDA_ERROR_SYSTEM_NOT_READY.
const systemNotReady driver.Result = 802

// serve executes the channel's records until its end and returns the exit code.
func serve(o options, w *walls) int {
	socket := os.NewFile(fdControl, "control socket")
	if socket == nil {
		fail(errors.New("file descriptor 3 is no control socket; mediatord starts this program"))
	}
	conn := control.New(socket)
	var early *prepared
	if o.warm {
		var err error
		if early, err = prepareEarly(&o, w, conn); err != nil {
			fail(err)
		}
	}
	resumed := awaitGo(conn)
	log := conn.Logger(logrus.Fields{})
	ended := func(code int, result driver.Result, err error) int {
		_ = conn.Send(control.Message{Type: control.Fault, Result: result, Message: err.Error()})
		return code
	}
	p, consumer, err := start(o, w, early, conn, log)
	if err != nil {
		return ended(exitStart, resultOf(err), fmt.Errorf("starting executor: %w", err))
	}
	stopOnSignal(func() { log.Debugf("spent: %s", consumer.Spent()) })
	standing, err := w.seal()
	if err != nil {
		return ended(exitStart, systemNotReady, fmt.Errorf("starting executor: %w", err))
	}
	log.Debug(standing.String())
	p.Walls = standing.Names()
	if resumed {
		p.Resume()
		consumer.Wake()
	}
	go listen(conn, p, consumer, log)
	if err := conn.Send(control.Message{Type: control.Ready, Walls: p.Walls}); err != nil {
		return exitStart
	}
	log.Debugf("executing channel %d, generation %d, of domain %s (%s)", o.channel, o.generation, o.domain, o.domainUUID)
	err = consumer.Run()
	if errors.Is(err, process.ErrViolation) || errors.Is(err, channel.ErrRecord) || errors.Is(err, wire.ErrMalformed) {
		return ended(exitViolation, driver.ErrorUnknown, err)
	}
	return ended(exitFailure, driver.ErrorUnknown, err)
}

// awaitGo waits until mediatord has put this process where it belongs. It says
// whether another mediatord has the control socket by then.
func awaitGo(conn *control.Conn) (resumed bool) {
	for {
		m, err := conn.Receive()
		switch {
		case errors.Is(err, io.EOF):
			os.Exit(0)
		case errors.Is(err, unix.EBADF) || errors.Is(err, unix.ENOTSOCK):
			fail(errors.New("mediatord starts executors; by hand only --describe is of use"))
		case err != nil:
			fail(fmt.Errorf("waiting for mediatord: %w", err))
		case m.Type == control.Go:
			return resumed
		case m.Type == control.Resume:
			resumed = true
		}
	}
}

// prepared is what does not depend on whom an executor is for: addresses, taken
// before the driver is loaded, which might take them, and the driver.
type prepared struct {
	addresses pinned.Addresses
	gpu       backend
}

func prepare(o options, wl *walls, log logrus.FieldLogger) (*prepared, error) {
	addresses, err := pinned.ReserveAddresses(window.PinnedBase, window.PinnedSize)
	if err != nil {
		return nil, err
	}
	if err := wl.watch(); err != nil {
		return nil, err
	}
	gpu, err := openBackend(o.backend, o.gpu, log)
	if err != nil {
		return nil, err
	}
	return &prepared{addresses, gpu}, nil
}

// start maps what mediatord passed and opens the GPU, unless that was done early.
func start(o options, wl *walls, early *prepared, conn *control.Conn, log logrus.FieldLogger) (*process.Process, *channel.Consumer, error) {
	last := fdAccount
	if o.lease {
		last = fdReport
	}
	for fd := fdControl; fd <= last; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, nil, fmt.Errorf("file descriptor %d: %w", fd, err)
		}
	}
	w, err := window.MapChannel(os.NewFile(fdWindow, "window"), o.channel)
	if err != nil {
		return nil, nil, err
	}
	account, err := window.MapAccount(os.NewFile(fdAccount, "account"))
	if err != nil {
		return nil, nil, err
	}
	c, err := channel.Open(w, o.channel, fdInterrupt)
	if err != nil {
		return nil, nil, err
	}
	var cache *modcache.Cache
	if o.moduleCache != "" {
		if cache, err = modcache.Open(o.moduleCache, modcache.DefaultLimit); err != nil {
			log.WithError(err).Warn("working without module cache")
		}
	}
	var page *lease.Page
	if o.lease {
		if page, err = lease.Open(os.NewFile(fdLeases, "leases"), o.channel, fdReport); err != nil {
			return nil, nil, err
		}
	}
	printed, err := output.Catch(unix.Stdout, unix.Stderr, c.AddPrinted)
	if err != nil {
		return nil, nil, err
	}
	if began := time.Now(); early == nil {
		if early, err = prepare(o, wl, log); err != nil {
			return nil, nil, err
		}
		log.Debugf("start: %v to the driver, %v for it", sinceStart(began), time.Since(began))
	}
	functions, err := api.Functions()
	if err != nil {
		return nil, nil, err
	}
	calls := make([]string, len(functions))
	for i, f := range functions {
		calls[i] = f.Symbol
	}
	p := process.New(process.Config{
		Driver: early.gpu, Window: w, Number: o.channel, Generation: uint32(o.generation), Channel: c, Pinned: early.addresses.Of(w, o.channel), Account: account, Cache: cache,
		Interrupt: fdInterrupt, Sender: conn, Log: log, Granularity: granularity, Calls: calls, Printer: printed, Lease: page, Clock: lease.NewClock(),
	})
	consumer, err := channel.NewConsumer(c, p, fdDoorbell)
	if err != nil {
		return nil, nil, err
	}
	p.Wake = consumer.Wake
	return p, consumer, nil
}

// sinceStart is the time from this process's start to then, to 10 ms.
func sinceStart(then time.Time) time.Duration {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	var up unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0
	}
	return time.Duration(up.Nano()-ticks*int64(10*time.Millisecond)) - time.Since(then)
}

// granularity of device memory: what every GPU since Volta has.
const granularity = 2 << 20

// listen passes mediatord's wishes on. Without mediatord there is no executor.
func listen(conn *control.Conn, p *process.Process, consumer *channel.Consumer, log logrus.FieldLogger) {
	for {
		m, err := conn.Receive()
		if errors.Is(err, io.EOF) || err == nil && m.Type == control.Stop {
			log.Debugf("spent: %s", consumer.Spent())
			if err != nil { // nobody else will tell the guest process
				p.Window.FailChannel(p.Number, uint32(driver.ErrorLaunchFailed), "mediatord ended, and its executors with it")
				p.Channel.Interrupt()
			}
			os.Exit(0) // the consumer may be inside the driver; the kernel cleans up
		}
		if err != nil {
			log.WithError(err).Error("ending")
			os.Exit(exitFailure)
		}
		switch m.Type {
		case parcel.Export:
			p.Export(m.Parcel)
		case parcel.Acquired:
			p.Acquired(m.Parcel)
		case control.Look:
			p.Look()
			continue // nothing for the consumer
		case control.Resume:
			p.Resume()
		case control.Revoke:
			p.Revoke(*m.Chunk)
		case control.Room:
			if m.Heard {
				p.RoomHeard()
				continue // nothing for the consumer
			}
			p.RoomMade(m.Made, m.Seen)
		case control.Park:
			p.Park(m.Bytes, m.Context)
		}
		consumer.Wake()
		p.Nudge()
	}
}

// stopOnSignal ends the process when it is asked to; last words before.
func stopOnSignal(last func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		<-signals
		last()
		os.Exit(0)
	}()
}
