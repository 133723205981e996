package mediator

import (
	"libvirt-vgpu/mediatord/internal/scope"
	"libvirt-vgpu/mediatord/internal/slot"
)

// procfs is where the driver says which node a GPU has.
const procfs = "/proc"

// placer puts a slot's executors into cgroups of their own. One that cannot be
// placed runs in mediatord's.
func (m *Mediator) placer(cfg slot.Config) func(channel, pid int) {
	if m.settings.Scopes == nil {
		return nil
	}
	return func(channel, pid int) {
		settings := cfg.Settings
		if h := m.slot(cfg.UUID); h != nil {
			settings = h.Settings()
		}
		err := m.settings.Scopes.Place(scope.Executor{
			Domain: sliceOf(cfg, settings), PID: pid, Channel: channel,
			Memory: cfg.Window + settings.Memory, Devices: scope.Devices(procfs, cfg.Grant.Device.PCI),
		})
		if err != nil {
			cfg.Log.WithError(err).Warn("an executor runs in mediatord's own cgroup")
		}
	}
}

// weigh gives a slot's slice the weight that it has now.
func (m *Mediator) weigh(h *held) {
	if err := m.settings.Scopes.Weigh(sliceOf(h.Config, h.Settings())); err != nil {
		h.Log.WithError(err).Warn("the domain's executors keep their share of the CPUs")
	}
}

// clearSlice removes what systemd keeps of a slot whose executors are gone.
func (m *Mediator) clearSlice(h *held) {
	if err := m.settings.Scopes.Clear(sliceOf(h.Config, h.Settings())); err != nil {
		h.Log.WithError(err).Warn("the domain's slice is left behind")
	}
}

// sliceOf is a slot's slice. Names of domains are unique, those of sessions are
// not.
func sliceOf(cfg slot.Config, settings slot.Settings) scope.Domain {
	name := cfg.Name
	if cfg.Kind == slot.Session {
		name += "-" + cfg.UUID.String()[:8]
	}
	return scope.Domain{Pool: cfg.Pool, Name: name, UUID: cfg.UUID.String(), Weight: max(settings.Weight, 1)}
}
