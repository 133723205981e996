package slot

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/plugin/ivshmem"
)

// endpoint is how the guest side reaches the window: QEMU's device or a
// host-process socket.
type endpoint interface {
	reconcile.Eventfds
	// serve accepts on the listener until disconnect.
	serve(listener *net.UnixListener)
	// connections counts QEMUs or processes; everConnected remembers.
	connections() int
	everConnected() bool
	// disconnect accepts nobody any more; the eventfds stay.
	disconnect()
	// close gives everything back.
	close()
}

// device serves a domain's QEMU.
type device struct {
	*ivshmem.Server
	allow func(unix.Ucred) error
	log   logrus.FieldLogger
	ever  atomic.Bool

	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup
}

func newDevice(server *ivshmem.Server, allow func(unix.Ucred) error, changed func(), log logrus.FieldLogger) *device {
	d := &device{Server: server, allow: allow, log: log}
	d.ctx, d.end = context.WithCancel(context.Background())
	server.Observe(func(e ivshmem.Event) {
		if e.Connected {
			d.ever.Store(true)
		}
		changed()
	})
	return d
}

func (d *device) serve(listener *net.UnixListener) {
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		if err := d.Serve(d.ctx, listener, d.allow); err != nil {
			d.log.WithError(err).Error("serving QEMU failed")
		}
	}()
}

func (d *device) connections() int {
	if _, connected := d.Connected(); connected {
		return 1
	}
	return 0
}

func (d *device) everConnected() bool { return d.ever.Load() }

func (d *device) disconnect() {
	d.end()
	d.work.Wait()
}

func (d *device) close() {
	d.disconnect()
	if err := d.Close(); err != nil {
		d.log.WithError(err).Warn("closing ivshmem server failed")
	}
}

// session serves processes of this host.
type session struct {
	*hostproc.Server
	log      logrus.FieldLogger
	listener *net.UnixListener
	work     sync.WaitGroup
}

func (s *session) serve(listener *net.UnixListener) {
	s.listener = listener
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		if err := s.Serve(listener); err != nil {
			s.log.WithError(err).Error("serving host processes failed")
		}
	}()
}

func (s *session) connections() int    { return s.Connections() }
func (s *session) everConnected() bool { return true } // its table is never clean by assumption

func (s *session) disconnect() {
	if s.listener != nil {
		_ = s.listener.Close()
	}
	s.work.Wait()
	s.Disconnect()
}

func (s *session) close() {
	s.disconnect()
	s.Server.Close()
}
