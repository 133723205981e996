package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrStranger: kept files are not those of the executor that they should be of.
var ErrStranger = errors.New("kept files do not belong to the executor")

// Adopt supervises an executor that another mediatord launched. files are those
// that its Settings.Keep was given and belong to the executor from now on, unless
// Adopt fails. ready says that it was ready. Resumed is its first event; what it
// asked for and was not answered it asks again after it. An executor that has
// ended meanwhile only says what it still had to say, and Exited.
func Adopt(s Settings, channel, pid int, files []*os.File, ready bool, sink func(Event)) (*Executor, error) {
	if len(files) != 3 {
		return nil, fmt.Errorf("adopting executor %d: %w: there are %d of 3", pid, ErrStranger, len(files))
	}
	control, pidfd, output := files[0], files[1], files[2]
	if named, err := processOf(pidfd); err != nil || named != pid && named != -1 {
		return nil, fmt.Errorf("adopting executor %d: %w: process %d, %v", pid, ErrStranger, named, err)
	}
	e := newExecutor(s, sink, pid, control, pidfd, output)
	e.wasReady = ready
	if !ready {
		e.readyTimer = time.AfterFunc(s.ReadyWithin, e.late)
	}
	e.run(func() {
		// The line ends what an earlier mediatord may have left half written.
		_ = e.lines.Send([]byte("\n{\"type\":\"resume\"}\n"), nil)
		if ready {
			return
		}
		if s.Place != nil { // perhaps for the second time
			s.Place(channel, pid)
		}
		e.command(outgoing{Type: "go"})
	})
	return e, nil
}

// processOf is the number of a pidfd's process, -1 if it was reaped.
func processOf(pidfd *os.File) (int, error) {
	info, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd.Fd()))
	if err != nil {
		return 0, fmt.Errorf("reading pidfd: %w", err)
	}
	defer info.Close()
	for lines := bufio.NewScanner(info); lines.Scan(); {
		if text, found := strings.CutPrefix(lines.Text(), "Pid:"); found {
			return strconv.Atoi(strings.TrimSpace(text))
		}
	}
	return 0, errors.New("reading pidfd: it names no process")
}
