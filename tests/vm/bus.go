package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"
)

// Bus is a private D-Bus system bus.
type Bus struct {
	Address string // for DBUS_SYSTEM_BUS_ADDRESS and the like
	process *daemon
}

// busConfig has the defaults of the real system bus: nobody owns a name or
// calls a method unless a policy file says so.
var busConfig = template.Must(template.New("").Parse(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={{.Socket}}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
{{- range .Policies}}
  <include>{{.}}</include>
{{- else}}
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
  </policy>
{{- end}}
</busconfig>
`))

// StartBus starts a bus whose files, system_bus_socket first, lie in dir. The policy files are those that
// a package would install; without any, everybody may do everything.
func StartBus(ctx context.Context, dir string, policies ...string) (*Bus, error) {
	socket := filepath.Join(dir, "system_bus_socket")
	b := &Bus{Address: "unix:path=" + socket}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("starting bus: %w", err)
	}
	var config bytes.Buffer
	if err := busConfig.Execute(&config, map[string]any{"Socket": socket, "Policies": policies}); err != nil {
		return nil, fmt.Errorf("starting bus: %w", err)
	}
	file := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(file, config.Bytes(), 0o644); err != nil {
		return nil, fmt.Errorf("starting bus: %w", err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+file, "--nofork", "--nopidfile", "--nosyslog")
	var err error
	if b.process, err = startDaemon(cmd, filepath.Join(dir, "bus.log")); err != nil {
		return nil, fmt.Errorf("starting bus: %w", err)
	}
	if err := b.process.waitSocket(ctx, socket); err != nil {
		b.Close()
		return nil, fmt.Errorf("starting bus: %w", err)
	}
	return b, nil
}

// Close ends the bus.
func (b *Bus) Close() { b.process.stop(5 * time.Second) }
