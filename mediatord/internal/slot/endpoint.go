package slot

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/fdstore"
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
	slot *Slot
	log  logrus.FieldLogger
	ever atomic.Bool
	// entry keeps the connection; only the server's events touch it.
	entry *fdstore.Entry

	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup
}

func newDevice(server *ivshmem.Server, s *Slot) *device {
	d := &device{Server: server, slot: s, log: s.Log}
	d.ctx, d.end = context.WithCancel(context.Background())
	server.Observe(func(e ivshmem.Event) {
		if e.Connected {
			d.ever.Store(true)
			d.keep()
		} else {
			d.entry.Forget()
			d.entry = nil
			if s.Disconnected != nil {
				s.Disconnected()
			}
		}
		s.Changed()
	})
	return d
}

// adopt goes on with the connection that an earlier mediatord kept. QEMU notices
// nothing.
func (d *device) adopt(k *kept) {
	conn, err := net.FileConn(k.Files[0])
	closeAll(k.take())
	if err == nil {
		d.entry = k.Entry
		if socket, ok := conn.(*net.UnixConn); !ok {
			_ = conn.Close()
			err = net.UnknownNetworkError(conn.LocalAddr().Network())
		} else {
			err = d.AdoptConnection(socket)
		}
	}
	if err != nil {
		d.log.WithError(err).Error("QEMU's connection is lost; its domain has no vGPU until it is started again")
		k.Forget()
		d.entry = nil
	}
}

// keep keeps the connection, unless an earlier mediatord has.
func (d *device) keep() {
	if d.slot.Store == nil || d.entry != nil {
		return
	}
	file, err := d.ConnectionFile()
	if err != nil {
		return // it has ended already
	}
	defer file.Close()
	d.entry = d.slot.keep(label{What: keptQEMU, Channel: -1}, file)
}

// allow decides about a peer and notes, before it is given the window, which
// process has it.
func (d *device) allow(peer unix.Ucred) error {
	if err := d.slot.Socket.Allow(peer); err != nil {
		return err
	}
	if _, connected := d.Connected(); !connected {
		d.slot.setQEMU(int(peer.Pid))
	}
	return nil
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
