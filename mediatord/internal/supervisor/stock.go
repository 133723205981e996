package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/rights"
)

// Stock keeps warm executors of one GPU: they have loaded the driver and know no
// guest. Each is taken once. Those that nobody takes end with mediatord. Its
// methods may be used by several goroutines; a nil Stock is empty.
type Stock struct {
	settings Settings
	log      logrus.FieldLogger

	mu     sync.Mutex // guards the rest
	size   int
	warm   []*process
	closed bool
}

// NewStock makes an empty stock for size executors. Of the settings those count
// that do not depend on a domain.
func NewStock(s Settings, size int, log logrus.FieldLogger) *Stock {
	return &Stock{settings: s, size: size, log: log}
}

// Fill starts what is missing.
func (s *Stock) Fill() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bury()
	for !s.closed && len(s.warm) < s.size {
		p, err := s.start()
		if err != nil {
			s.log.WithError(err).Warn("no warm executor")
			return
		}
		s.warm = append(s.warm, p)
	}
}

// Resize has the stock hold another number of executors; those that are too many
// end at once, what is missing Fill starts.
func (s *Stock) Resize(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = size
	for len(s.warm) > size {
		last := len(s.warm) - 1
		_ = s.warm[last].end()
		s.warm = s.warm[:last]
	}
}

// maxFiles is how many files an executor gets, at most.
const maxFiles = 8

// start keeps descriptors from 4 on free for what assign sends.
func (s *Stock) start() (*process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("starting warm executor: %w", err)
	}
	defer null.Close()
	p, err := spawn(s.settings, slices.Repeat([]*os.File{null}, maxFiles), s.settings.arguments("--warm"))
	if err != nil {
		return nil, fmt.Errorf("starting warm executor: %w", err)
	}
	return p, nil
}

// bury reaps those that have died; s.mu is held.
func (s *Stock) bury() {
	var alive []*process
	for _, p := range s.warm {
		if !hasEnded(p.pidfd, 0) {
			alive = append(alive, p)
			continue
		}
		s.log.WithField("pid", p.cmd.Process.Pid).Warn("a warm executor has died: ", p.end())
	}
	s.warm = alive
}

// take gives files and arguments to a warm executor; nil if there is none. What
// the stock lacks afterwards is started aside.
func (s *Stock) take(files []*os.File, args []string) (*process, error) {
	if s == nil {
		return nil, nil
	}
	s.mu.Lock()
	s.bury()
	var p *process
	if len(s.warm) > 0 {
		p, s.warm = s.warm[0], s.warm[1:]
	}
	s.mu.Unlock()
	go s.Fill()
	if p == nil {
		return nil, nil
	}
	if err := p.assign(files, args); err != nil {
		_ = p.end()
		return nil, err
	}
	return p, nil
}

// Close ends what was not taken.
func (s *Stock) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, p := range s.warm {
		_ = p.end()
	}
	s.warm = nil
}

// assignment is the line that makes a warm executor like one that was started
// with these arguments and the files that come with it.
type assignment struct {
	Type  string `json:"type"`
	Serve struct {
		Arguments []string `json:"arguments"`
		Files     int      `json:"files"`
	} `json:"serve"`
}

func (p *process) assign(files []*os.File, args []string) error {
	a := assignment{Type: "serve"}
	a.Serve.Arguments, a.Serve.Files = args, len(files)
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encoding serve command: %w", err)
	}
	return rights.New(p.control).SendAll(append(line, '\n'), files)
}

// end ends a process that serves nobody; it returns how it went.
func (p *process) end() error {
	_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	err := p.cmd.Wait()
	_, _, _ = p.control.Close(), p.pidfd.Close(), p.output.Close()
	return err
}
