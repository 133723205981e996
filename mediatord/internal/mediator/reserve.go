package mediator

import (
	"context"
	"path/filepath"
	"strings"

	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// maxSocketPath is what fits into a sockaddr_un with its NUL.
const maxSocketPath = 107

// ReserveRequest asks for a slot for a domain that is about to start.
type ReserveRequest struct {
	Domain     window.UUID
	Name       string
	Metadata   string // the vgpu:gpu element
	SocketPath string // of the domain's <shmem> server
}

// Reserve makes the domain's slot; its socket listens when it returns. Asking
// again with the same request changes nothing; a slot that an earlier run of
// the domain left is replaced. The kinds of its errors are those of package
// refusal.
func (m *Mediator) Reserve(ctx context.Context, r ReserveRequest) (err error) {
	defer func() { m.recordRefusal(r.Name, r.Domain, err) }()
	element, err := parseElement(r.Metadata)
	if err != nil {
		return err
	}
	directory := filepath.Join(m.settings.RunDir, domainPrefix+r.Domain.String())
	if err := checkSocketPath(r.SocketPath, directory); err != nil {
		return err
	}
	p, err := m.pool(element.Pool)
	if err != nil {
		return err
	}
	defer m.domains.lock(r.Domain)()
	if h := m.slot(r.Domain); h != nil {
		switch {
		case h.request == any(r) && (h.Fresh() || h.Connected()):
			return nil
		case h.Connected():
			change, err := m.change(ctx, h, element)
			if err == nil && len(change.Restart) > 0 {
				err = refusal.Because(refusal.ErrAlreadyReserved, "domain %q runs with another %s; stop it first", r.Name, strings.Join(change.Restart, " and "))
			}
			return err
		}
		m.release(r.Domain)
	}
	h := &held{request: r}
	return m.open(ctx, p, pool.Request{Owner: r.Domain.String(), Priority: element.Priority, Memory: element.Memory}, slot.Config{
		UUID: r.Domain, Name: r.Name, Kind: slot.Domain, Settings: slot.Settings{Weight: element.Weight},
		Window: element.Window, Channels: vgpuxml.DefaultChannels, Directory: directory,
		Socket: slot.Socket{
			Path: r.SocketPath, UID: m.settings.SocketUID, GID: m.settings.SocketGID, Mode: m.settings.SocketMode, Allow: m.allow(r.Name),
		},
		Disconnected: func() { go m.watchEnd(r.Domain, h) },
	}, h)
}

// checkSocketPath lets a domain's socket lie in its own directory only.
func checkSocketPath(path, directory string) error {
	wanted := filepath.Join(directory, "ivshmem.sock")
	if filepath.Dir(path) != directory || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
		return refusal.Because(refusal.ErrInvalidSocketPath,
			"socket path %q is not in %s; set the server path of the domain's vgpu0 shmem device to %s", path, directory, wanted)
	}
	if len(path) > maxSocketPath {
		return refusal.Because(refusal.ErrInvalidSocketPath, "socket path %q is longer than %d bytes; use a shorter runtime directory", path, maxSocketPath)
	}
	return nil
}
