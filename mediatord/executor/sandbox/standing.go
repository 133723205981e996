package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Standing looks which walls stand, by trying them and by what the kernel says of
// this process. Call it after Seal.
func Standing() Report {
	report := Report{Missing: map[Wall]string{}}
	status, err := readStatus("/proc/self/status")
	if err != nil {
		status = map[string]string{}
	}
	for _, look := range []struct {
		wall   Wall
		reason string
	}{
		{User, missingUser(os.Getuid())},
		{Capabilities, missingCapabilities(status)},
		{Files, missingFiles()},
		{Calls, missingCalls(status)},
		{Memory, missingMemory()},
	} {
		if look.reason == "" {
			report.Standing = append(report.Standing, look.wall)
		} else {
			report.Missing[look.wall] = look.reason
		}
	}
	return report
}

func missingUser(uid int) string {
	if uid == 0 {
		return "it runs as root: start mediatord with --executor-user"
	}
	return ""
}

func missingCapabilities(status map[string]string) string {
	if status["NoNewPrivs"] != "1" {
		return "no_new_privs is not set"
	}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if strings.Trim(status[set], "0") != "" || status[set] == "" {
			return fmt.Sprintf("%s is %q", set, status[set])
		}
	}
	return ""
}

// missingFiles tries to list the root directory, which every user may.
func missingFiles() string {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	if errors.Is(err, unix.EACCES) {
		return ""
	}
	if _, err := landlockVersion(); errors.Is(err, unix.EPERM) {
		return "it was not entered"
	} else if err != nil {
		return "the kernel has no Landlock: " + err.Error()
	}
	return "it was not entered"
}

func missingCalls(status map[string]string) string {
	if status["Seccomp"] == "2" {
		// a filter; ours, if it refuses what every other lets pass
		if _, err := unix.Getsid(0); errors.Is(err, unix.EPERM) {
			return ""
		}
	}
	return "there is no filter"
}

func missingMemory() string {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		return "the process is dumpable"
	}
	return ""
}

// readStatus reads a /proc/PID/status.
func readStatus(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading process status: %w", err)
	}
	defer file.Close()
	fields := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields, lines.Err()
}
