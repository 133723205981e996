package hooks

import (
	"bytes"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// binary is the hook as libvirt runs it, built once, reading the bus address from addressFile.
type binary struct{ path, addressFile string }

func buildBinary(t *testing.T) binary {
	t.Helper()
	folder := t.TempDir()
	b := binary{path: filepath.Join(folder, "vgpu-qemu-hook"), addressFile: filepath.Join(folder, "bus-address")}
	command := exec.Command("go", "build", "-ldflags", "-X main.busAddressFile="+b.addressFile, "-o", b.path, "./cmd/vgpu-qemu-hook")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building the hook: %v\n%s", err, output)
	}
	return b
}

func (b binary) use(t *testing.T, address string) {
	t.Helper()
	if err := os.WriteFile(b.addressFile, []byte(address+"\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the binary as libvirt does: clean environment, cwd /. Standard output must stay empty.
func (b binary) run(t *testing.T, domain, operation, document string, environment ...string) (status int, stderr string) {
	t.Helper()
	command := exec.Command(b.path, append([]string{domain}, append(strings.Fields(operation), "-")...)...)
	command.Dir = "/"
	command.Env = append([]string{"LC_ALL=C", "PATH=/usr/bin:/bin", "HOME=/"}, environment...)
	command.Stdin = strings.NewReader(document)
	var output, errorOutput bytes.Buffer
	command.Stdout, command.Stderr = &output, &errorOutput
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if output.Len() > 0 {
		t.Errorf("%s writes %q to standard output", operation, output.String())
	}
	return command.ProcessState.ExitCode(), errorOutput.String()
}

func TestBinaryCallsMediator(t *testing.T) {
	hook := buildBinary(t)
	address := startBus(t, "")
	service := &busService{}
	serve(t, address, service)
	hook.use(t, address)
	document := domainXML(goodElement, rightDevice(t))
	reserve := "Reserve|" + testUUID + `|web1|<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold" priority="high" memory="16GiB" weight="100" window="1GiB"/>|/run/vgpu/domain-` +
		testUUID + "/ivshmem.sock"
	want := map[string]string{
		"prepare begin": reserve, "reconnect begin": reserve, "started begin": "Started|" + testUUID,
		"stopped end": "Stopped|" + testUUID, "release end": "Release|" + testUUID,
	}
	for _, operation := range everyOperation() {
		status, stderr := hook.run(t, "web1", operation, document)
		if calls := strings.Join(service.taken(), ","); calls != want[operation] {
			t.Errorf("%s calls %q, want %q", operation, calls, want[operation])
		}
		if operation != "migrate begin" && (status != 0 || stderr != "") {
			t.Errorf("%s: exit %d, %q", operation, status, stderr)
		}
	}
	hook.use(t, "unix:path=/nonexistent/bus")
	if status, stderr := hook.run(t, "web1", "prepare begin", document, AddressVariable+"="+address); status != 0 || len(service.taken()) != 1 {
		t.Errorf("the environment's bus: exit %d, %q", status, stderr)
	}
}

func TestBinaryLeavesOtherDomainsAlone(t *testing.T) {
	hook := buildBinary(t)
	socket := filepath.Join(filepath.Dir(hook.path), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			connection.Close()
		}
	}()
	defer listener.Close()
	for _, address := range []string{"unix:path=" + socket, "nonsense", ""} {
		hook.use(t, address)
		for _, operation := range everyOperation() {
			for _, document := range []string{domainXML("", ""), "<domain", ""} {
				if status, stderr := hook.run(t, "other", operation, document); status != 0 || stderr != "" {
					t.Errorf("bus %q, %s of %q: exit %d, %q", address, operation, document, status, stderr)
				}
			}
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("the bus was touched %d times", n)
	}
}

// TestBinaryMessages holds what a person sees, one golden file per way to be refused.
func TestBinaryMessages(t *testing.T) {
	hook := buildBinary(t)
	address := startBus(t, "")
	service := &busService{}
	serve(t, address, service)
	deaf := startBus(t, `<deny send_destination="`+Service+`" send_type="method_call"/>`)
	serve(t, deaf, &busService{})
	old := startBus(t, "")
	serve(t, old, struct{}{})
	empty := startBus(t, "")
	good := domainXML(goodElement, rightDevice(t))
	own := func(name, text string) *dbus.Error { return dbus.NewError(ErrorPrefix+name, []any{text}) }
	element := func(attributes string) string {
		return domainXML(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" `+attributes+`/>`, rightDevice(t))
	}
	cases := []struct {
		name, address, document string
		failure                 *dbus.Error
	}{
		{name: "no-device", document: domainXML(goodElement, "")},
		{name: "no-element", document: domainXML("", rightDevice(t))},
		{name: "other-vectors", document: domainXML(goodElement, strings.Replace(rightDevice(t), `"33"`, `"4"`, 1))},
		{name: "unknown-attribute", document: element(`pools="gold"`)},
		{name: "bad-priority", document: element(`priority="urgent"`)},
		{name: "malformed", document: good[:len(good)-4]},
		{name: "no-uuid", document: strings.Replace(good, testUUID, "", 1)},
		{name: "no-such-pool", document: good, failure: own("NoSuchPool", `pool "gold" does not exist.`)},
		{name: "other-version", document: strings.ReplaceAll(good, "urn:libvirt-vgpu:1", "urn:libvirt-vgpu:2")},
		{name: "no-namespace", document: domainXML(`<gpu pool="gold"/><!-- urn:libvirt-vgpu:1 -->`, rightDevice(t))},
		{name: "pool-full", document: good, failure: own("PoolFull", `all 8 slots of pool "gold" are taken`)},
		{name: "remedy-in-text", document: good, failure: own("NoSuchPool", `pool "gold" does not exist; there are: default, silver`)},
		{name: "unknown-error", document: good, failure: own("SomethingNew", "the GPU left the bus")},
		{name: "error-without-text", document: good, failure: dbus.NewError(ErrorPrefix+"SomethingNew", nil)},
		{name: "failed", document: good, failure: dbus.MakeFailedError(errors.New("no space left on device"))},
		{name: "several-lines", document: good, failure: own("SomethingNew", "one\ntwo\x1b[31m")},
		{name: "mediatord-not-running", address: empty, document: good},
		{name: "mediatord-masked", document: good, failure: dbus.NewError("org.freedesktop.DBus.Error.FileExists", []any{"Unit mediatord.service failed to load properly: File exists"})},
		{name: "older-mediatord", address: old, document: good},
		{name: "access-denied", address: deaf, document: good},
		{name: "no-bus", address: "unix:path=/nonexistent/bus", document: good},
		{name: "no-address", address: " ", document: good},
		{name: "bad-address", address: "nonsense", document: good},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.address == "" {
				c.address = address
			}
			hook.use(t, c.address)
			service.failWith(c.failure)
			status, stderr := hook.run(t, "web1", "prepare begin", c.document)
			if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "vgpu: domain web1: ") || !strings.Contains(stderr, "; ") {
				t.Errorf("exit %d, %q", status, stderr)
			}
			stable := strings.NewReplacer(hook.addressFile, "BUS-ADDRESS-FILE").Replace(stderr)
			if reconnected, _ := hook.run(t, "web1", "reconnect begin", c.document); reconnected != 0 {
				t.Errorf("reconnect exits %d", reconnected)
			}
			path := filepath.Join("testdata", "messages", c.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(stable), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; run go test -update", err)
			}
			if stable != string(want) {
				t.Errorf(" got %s\nwant %s", stable, want)
			}
		})
	}
}

// TestBinaryDeadlines waits the real deadlines, on a mediatord that hangs and on a bus that accepts and never speaks.
func TestBinaryDeadlines(t *testing.T) {
	if testing.Short() {
		t.Skip("waits 10 s")
	}
	hook := buildBinary(t)
	silent := filepath.Join(filepath.Dir(hook.path), "s")
	listener, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	hanging := startBus(t, "")
	serve(t, hanging, &busService{delay: 15 * time.Second})
	document := domainXML(goodElement, rightDevice(t))
	cases := []struct {
		operation, address string
		deadline           time.Duration
		status             int
	}{
		{"prepare begin", hanging, PrepareDeadline, 1},
		{"release end", hanging, OtherDeadline, 1},
		{"started begin", "unix:path=" + silent, OtherDeadline, 0},
		{"reconnect begin", "unix:path=" + silent, OtherDeadline, 0},
	}
	for _, c := range cases {
		t.Run(c.operation, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			status, stderr := hook.run(t, "web1", c.operation, document, AddressVariable+"="+c.address)
			if took := time.Since(start); took < c.deadline || took > c.deadline+30*time.Second {
				t.Errorf("took %v, deadline %v", took, c.deadline)
			}
			if status != c.status || !strings.Contains(stderr, "did not answer over D-Bus within "+c.deadline.String()) {
				t.Errorf("exit %d, %q", status, stderr)
			}
		})
	}
}

func TestMediatorEndsDuringCall(t *testing.T) {
	hook := buildBinary(t)
	address := startBus(t, "")
	service := &busService{delay: time.Minute}
	connection := serve(t, address, service)
	hook.use(t, address)
	go func() {
		for len(service.taken()) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		connection.Close()
	}()
	status, stderr := hook.run(t, "web1", "prepare begin", domainXML(goodElement, rightDevice(t)))
	if status != 1 || stderr != "vgpu: domain web1: mediatord ended before it answered; see journalctl -u mediatord\n" {
		t.Errorf("exit %d, %q", status, stderr)
	}
}

// TestMediatorIsRestartedDuringCall has mediatord end in the middle of prepare, and another one come.
func TestMediatorIsRestartedDuringCall(t *testing.T) {
	hook := buildBinary(t)
	address := startBus(t, "")
	asked := &busService{delay: time.Minute}
	first := serve(t, address, asked)
	hook.use(t, address)
	second := &busService{}
	waiting, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if err := waiting.Export(second, ObjectPath, ManagerInterface); err != nil {
		t.Fatal(err)
	}
	go func() {
		for len(asked.taken()) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		first.Close()
		time.Sleep(300 * time.Millisecond)
		if _, err := waiting.RequestName(Service, dbus.NameFlagDoNotQueue); err != nil {
			t.Error(err)
		}
	}()
	if status, stderr := hook.run(t, "web1", "prepare begin", domainXML(goodElement, rightDevice(t))); status != 0 || len(second.taken()) != 1 {
		t.Errorf("exit status %d, %q", status, stderr)
	}
}

func TestBusAddress(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "bus-address")
	if err := os.WriteFile(file, []byte(" unix:path=/x \nrest"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ environment, file, want string }{
		{"unix:path=/e", file, "unix:path=/e"}, {"", file, "unix:path=/x"}, {"", filepath.Join(folder, "absent"), ""},
	} {
		if got, err := BusAddress(c.environment, c.file); err != nil || got != c.want {
			t.Errorf("BusAddress(%q, %q) = %q, %v; want %q", c.environment, c.file, got, err, c.want)
		}
	}
	if got, err := BusAddress("", folder); err == nil {
		t.Errorf("a folder gives %q", got)
	}
}
