package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"libvirt-vgpu/tests/stage"
)

// settings switch the XML editor on, as Edit, Preferences, General, Enable XML
// editing does.
const settings = `[org/virt-manager/virt-manager]
xmleditor-enabled=true
`

// manager is virt-manager with a home of its own.
type manager struct {
	home string
}

// openManager starts virt-manager on the display, with the domain's window open.
func openManager(ctx context.Context, s *stage.Stage, d *display) (*manager, error) {
	home, err := os.MkdirTemp("", "virtmanager-")
	if err != nil {
		return nil, fmt.Errorf("starting virt-manager: %w", err)
	}
	m := &manager{home: home}
	file := filepath.Join(home, ".config/glib-2.0/settings/keyfile")
	err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.MkdirAll(m.runtime(), 0o700), os.WriteFile(file, []byte(settings), 0o600))
	if err != nil {
		m.close()
		return nil, fmt.Errorf("starting virt-manager: %w", err)
	}
	log, err := os.Create(filepath.Join(home, "output"))
	if err != nil {
		m.close()
		return nil, fmt.Errorf("starting virt-manager: %w", err)
	}
	defer log.Close()
	cmd := s.Command(context.WithoutCancel(ctx), "dbus-run-session", "--", "virt-manager", "--no-fork", "--connect", "qemu:///system", "--show-domain-editor", domain)
	cmd.Env = append(cmd.Env, "DISPLAY="+d.name, "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config", "XDG_CACHE_HOME="+home+"/.cache",
		"XDG_RUNTIME_DIR="+m.runtime(), "GSETTINGS_BACKEND=keyfile", "NO_AT_BRIDGE=1", "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr = log, log
	if err := d.start(cmd); err != nil {
		m.close()
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*within)
	defer cancel()
	if err := d.window(ctx, domain+" on QEMU"); err != nil {
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("waiting for virt-manager's window: %w\n%s", err, said)
	}
	time.Sleep(afterMotion)
	return m, nil
}

func (m *manager) runtime() string { return filepath.Join(m.home, "run") }

// said is virt-manager's own log, which has the texts of its dialogs.
func (m *manager) said() (string, error) {
	text, err := os.ReadFile(filepath.Join(m.home, ".cache/virt-manager/virt-manager.log"))
	if err != nil {
		return "", fmt.Errorf("reading virt-manager's log: %w", err)
	}
	return string(text), nil
}

func (m *manager) close() { _ = os.RemoveAll(m.home) }
