package guest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// Message types and magic of guest/include/vgpu_socket.h.
const (
	socketMagic = 0x56475055
	socketOpen  = 1
	socketStart = 2
	socketLook  = 6
)

type message struct {
	Magic, Type    uint32
	Error          int32
	LayoutVersion  uint32
	Channel, Count uint32
	Offset         uint64
	Number         uint64
}

// host plays mediatord's part of host-process mode as far as a program comes
// that only looks at the device: it opens channels and refuses everything else.
type host struct {
	t        *testing.T
	window   *window.Window
	path     string
	doorbell int
	opened   atomic.Int32
	open     atomic.Int32 // connections that are open now
	started  atomic.Int32
	looks    atomic.Int32           // asked for
	look     atomic.Pointer[func()] // answers one, nil: nobody does
}

func startHost(t *testing.T, description *window.Description) *host {
	t.Helper()
	w, err := window.Create(t.Name(), 64<<20, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetDescription(description); err != nil {
		t.Fatal(err)
	}
	doorbell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, window: w, path: filepath.Join(t.TempDir(), "socket"), doorbell: doorbell}
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: h.path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		unix.Close(doorbell)
		w.Close()
	})
	go func() {
		for {
			connection, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			go h.serve(connection)
		}
	}()
	return h
}

// environment makes a program use this host.
func (h *host) environment(more ...string) []string {
	return append([]string{"VGPU_SOCKET=" + h.path}, more...)
}

func (h *host) serve(connection *net.UnixConn) {
	h.open.Add(1)
	defer h.open.Add(-1)
	defer connection.Close()
	var m message
	buffer := make([]byte, binary.Size(m))
	for {
		n, err := connection.Read(buffer)
		if errors.Is(err, io.EOF) || n == 0 {
			return
		}
		if err == nil {
			_, err = binary.Decode(buffer[:n], binary.LittleEndian, &m)
		}
		if err != nil || m.Magic != socketMagic || m.LayoutVersion != window.LayoutVersion {
			h.t.Errorf("message %+v, %v", m, err)
			return
		}
		var rights []byte
		switch m.Type {
		case socketOpen:
			m.Channel = uint32(h.opened.Add(1)-1) % 8
			rights = unix.UnixRights(int(h.window.File().Fd()), h.doorbell, h.doorbell)
		case socketStart:
			h.started.Add(1)
			m.Error = int32(unix.ENODEV)
		case socketLook:
			h.looks.Add(1)
			if look := h.look.Load(); look != nil {
				(*look)()
			}
			continue // there is no reply
		default:
			m.Error = int32(unix.ENOSYS)
		}
		var reply bytes.Buffer
		if err := binary.Write(&reply, binary.LittleEndian, &m); err != nil {
			h.t.Error(err)
			return
		}
		if _, _, err := connection.WriteMsgUnix(reply.Bytes(), rights, nil); err != nil {
			return
		}
	}
}

// testDescription is a device in the manner of an H200.
func testDescription(t *testing.T) *window.Description {
	t.Helper()
	uuid, err := window.ParseUUID("GPU-12345678-9abc-5def-8123-456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	d := &window.Description{
		DeviceCount: 1, DriverVersion: 13000, DriverString: "580.159.04", Name: "NVIDIA H200", UUID: uuid,
		TotalMemory: 16 << 30, UsedMemory: 1 << 30,
		PCIDomain: 1, PCIBus: 0x1b, PCIDevice: 2, PCIDeviceID: 0x233510de, PCISubsystemID: 0x18be10de,
		Utilization: 42, Temperature: 37, VMMGranularity: 2 << 20,
		Attributes: make([]window.Attribute, 145),
	}
	for id, value := range map[int]int32{
		1: 1024, 2: 1024, 3: 1024, 4: 64, 5: 0x7fffffff, 6: 65535, 7: 65535, 8: 49152, 9: 65536, 10: 32,
		11: 0x7fffffff, 12: 65536, 13: 1980000, 14: 512, 16: 132, 19: 1, 31: 1, 32: 1, 33: 9, 34: 9, 36: 3201000, 37: 6144,
		38: 62914560, 39: 2048, 40: 3, 41: 1, 50: 9, 75: 9, 76: 0, 78: 1, 79: 1, 80: 1, 81: 233472, 82: 65536, 90: 1, 91: 1,
		97: 232448, 102: 1, 115: 1,
	} {
		d.Attributes[id].Value = value
	}
	d.Attributes[93].Result = 801
	return d
}
