package ivshmem

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// qemu is a real QEMU without an operating system: SeaBIOS sets the device up, QMP and qtest look at it and act for the guest.
type qemu struct {
	t       *testing.T
	command *exec.Cmd
	errors  bytes.Buffer
	qmpIn   io.Writer
	qmpOut  *bufio.Reader
	// resets counts RESET events.
	resets int
	// qtest reads and writes guest-physical memory and I/O ports.
	qtest     net.Conn
	qtestRead *bufio.Reader
}

// findQEMU returns the path of QEMU; a machine without one cannot run these tests.
func findQEMU(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		if testing.Short() {
			t.Skip("qemu-system-x86_64 is not installed")
		}
		t.Fatal("qemu-system-x86_64 is not installed; install it with: apt-get install qemu-system-x86, or run go test -short")
	}
	return program
}

// machine is the command line of an empty q35 machine with the device at 00:04.0.
func machine(socket string, vectors int) []string {
	return []string{
		"-no-user-config", "-nodefaults", "-display", "none", "-machine", "q35,accel=tcg", "-m", "32",
		"-chardev", "socket,id=server,path=" + socket,
		"-device", fmt.Sprintf("ivshmem-doorbell,id=vgpu0,addr=4,vectors=%d,chardev=server", vectors),
	}
}

// startQEMU starts it with QMP and qtest connected.
func startQEMU(t *testing.T, socket string, vectors int) *qemu {
	t.Helper()
	program := findQEMU(t)
	qtest, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "q"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer qtest.Close()
	q := &qemu{t: t}
	q.command = exec.CommandContext(t.Context(), program, append(machine(socket, vectors),
		"-qtest", "unix:"+qtest.Addr().String(), "-qtest-log", "none", "-qmp", "stdio")...)
	q.command.Stderr = &q.errors
	if q.qmpIn, err = q.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := q.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	q.qmpOut = bufio.NewReader(output)
	if err := q.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = q.command.Process.Kill()
		_ = q.command.Wait()
		if t.Failed() && q.errors.Len() > 0 {
			t.Logf("QEMU said: %s", q.errors.String())
		}
	})
	if err := qtest.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if q.qtest, err = qtest.Accept(); err != nil {
		t.Fatalf("QEMU does not start: %v", err)
	}
	t.Cleanup(func() { q.qtest.Close() })
	q.qtestRead = bufio.NewReader(q.qtest)
	q.qmp("qmp_capabilities", nil)
	return q
}

// qmp runs a QMP command and returns its result, as JSON.
func (q *qemu) qmp(name string, arguments map[string]any) json.RawMessage {
	q.t.Helper()
	request := map[string]any{"execute": name}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(q.qmpIn).Encode(request); err != nil {
		q.t.Fatalf("%s: %v", name, err)
	}
	for {
		answer := q.readQMP()
		switch {
		case answer.Error != nil:
			q.t.Fatalf("%s: %v", name, answer.Error)
		case answer.Event == "" && answer.QMP == nil:
			return answer.Return
		}
	}
}

// qmpMessage is an answer, an event or the greeting.
type qmpMessage struct {
	Return json.RawMessage `json:"return"`
	Error  any             `json:"error"`
	Event  string          `json:"event"`
	QMP    any             `json:"QMP"`
}

func (q *qemu) readQMP() (message qmpMessage) {
	q.t.Helper()
	line, err := q.qmpOut.ReadBytes('\n')
	if err != nil {
		q.t.Fatalf("reading QMP: %v", err)
	}
	if err := json.Unmarshal(line, &message); err != nil {
		q.t.Fatalf("reading QMP %q: %v", line, err)
	}
	if message.Event == "RESET" {
		q.resets++
	}
	return message
}

// reset resets the machine, which bars has stopped, and lets it run.
func (q *qemu) reset() {
	q.t.Helper()
	before := q.resets
	for q.qmp("system_reset", nil); q.resets == before; {
		q.readQMP()
	}
	q.qmp("cont", nil)
}

// monitor runs a command of the human monitor.
func (q *qemu) monitor(line string) string {
	q.t.Helper()
	var text string
	q.decode(q.qmp("human-monitor-command", map[string]any{"command-line": line}), &text)
	return text
}

func (q *qemu) decode(answer json.RawMessage, into any) {
	q.t.Helper()
	if err := json.Unmarshal(answer, into); err != nil {
		q.t.Fatalf("reading %s: %v", answer, err)
	}
}

// do sends one qtest command and returns the number it answers, if any.
func (q *qemu) do(format string, args ...any) (value uint64) {
	q.t.Helper()
	command := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(q.qtest, command); err != nil {
		q.t.Fatalf("%s: %v", command, err)
	}
	for {
		answer, err := q.qtestRead.ReadString('\n')
		if err != nil {
			q.t.Fatalf("%s: %v", command, err)
		}
		fields := strings.Fields(answer)
		if len(fields) == 0 || fields[0] == "IRQ" {
			continue
		}
		if fields[0] != "OK" {
			q.t.Fatalf("%s: %s", command, answer)
		}
		if len(fields) > 1 {
			if _, err := fmt.Sscanf(fields[1], "0x%x", &value); err != nil {
				q.t.Fatalf("%s: %s: %v", command, answer, err)
			}
		}
		return value
	}
}

// config addresses the device's PCI configuration space.
func (q *qemu) config(offset uint64) { q.do("outl 0xcf8 0x%x", 0x80000000|4<<11|offset&^3) }

func (q *qemu) configRead(offset uint64) uint64 {
	q.config(offset)
	return q.do("inl 0xcfc") & 0xffffffff
}

func (q *qemu) configWrite(offset, value uint64) {
	q.config(offset)
	q.do("outl 0xcfc 0x%x", value)
}

// bars waits until SeaBIOS has enabled the device and returns the addresses of registers, MSI-X table and window. It stops
// the processor then: SeaBIOS selects registers of the configuration space in the same port as config does.
func (q *qemu) bars() (registers, msix, window uint64) {
	q.t.Helper()
	var addresses map[int]uint64
	for deadline := time.Now().Add(60 * time.Second); len(addresses) != 3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			q.t.Fatal("the firmware does not set the device up")
		}
		addresses = q.mapped()
	}
	q.qmp("stop", nil)
	if id := q.configRead(0); id != 0x11101af4 {
		q.t.Fatalf("the device at 00:04.0 is %#x", id)
	}
	return addresses[0], addresses[1], addresses[2]
}

// mapped returns where the device's BARs are, by number; those that do not decode are missing.
func (q *qemu) mapped() map[int]uint64 {
	q.t.Helper()
	var buses []struct {
		Devices []struct {
			Slot    int
			Regions []struct {
				BAR     int
				Address int64 // -1: not mapped
			}
		}
	}
	q.decode(q.qmp("query-pci", nil), &buses)
	addresses := map[int]uint64{}
	for _, bus := range buses {
		for _, device := range bus.Devices {
			for _, region := range device.Regions {
				if device.Slot == 4 && region.Address >= 0 {
					addresses[region.BAR] = uint64(region.Address)
				}
			}
		}
	}
	return addresses
}

// enableMSIX enables MSI-X, every vector of which is masked after reset, and returns the address of the pending bits.
func (q *qemu) enableMSIX(msix uint64) (pending uint64) {
	q.t.Helper()
	const identity, enable = 0x11, 1 << 31
	capability := q.configRead(0x34) & 0xff
	for q.configRead(capability)&0xff != identity {
		if capability = q.configRead(capability) >> 8 & 0xff; capability == 0 {
			q.t.Fatal("the device has no MSI-X capability")
		}
	}
	q.configWrite(capability, q.configRead(capability)|enable)
	return msix + q.configRead(capability+8)&^7
}

func (q *qemu) quit() {
	q.t.Helper()
	q.qmp("quit", nil)
	if err := q.command.Wait(); err != nil {
		q.t.Errorf("QEMU ends with %v", err)
	}
}
