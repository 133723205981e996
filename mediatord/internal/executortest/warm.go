package executortest

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/rights"
)

type assignment struct {
	Type  string `json:"type"`
	Serve struct {
		Arguments []string `json:"arguments"`
		Files     int      `json:"files"`
	} `json:"serve"`
}

// awaitAssignment reads one line and what comes with it, nothing behind it, and
// puts the files where they are at a start that is not warm.
func awaitAssignment() (a assignment, err error) {
	fd, err := unix.Dup(3)
	if err != nil {
		return a, fmt.Errorf("duplicating control socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "control")
	defer socket.Close()
	conn := rights.New(socket)
	var line []byte
	for b := []byte{0}; b[0] != '\n'; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil {
			return a, err
		}
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("reading assignment %q: %w", line, err)
	}
	for fd := 4; fd < 4+a.Serve.Files; fd++ {
		file, err := conn.Take()
		if err != nil {
			return a, err
		}
		if err := unix.Dup3(int(file.Fd()), fd, 0); err != nil {
			return a, fmt.Errorf("placing descriptor %d: %w", fd, err)
		}
		_ = file.Close()
	}
	return a, nil
}
