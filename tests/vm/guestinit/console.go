package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
)

// console writes whole lines, whoever writes.
type console struct {
	mu   sync.Mutex
	file *os.File
}

func (c *console) print(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = io.WriteString(c.file, line+"\n")
}

// lines prefixes what one step writes and remembers it for those who wait.
type lines struct {
	out     *console
	prefix  string
	partial []byte
	mu      sync.Mutex
	seen    []string
	wake    chan struct{}
}

func newLines(out *console, name string) *lines {
	return &lines{out: out, prefix: name + "| ", wake: make(chan struct{}, 1)}
}

// Write is called by one goroutine of exec.Cmd.
func (l *lines) Write(data []byte) (int, error) {
	l.partial = append(l.partial, data...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte{'\n'})
		if !found {
			return len(data), nil
		}
		l.emit(string(line))
		l.partial = rest
	}
}

// flush emits a last line without its newline.
func (l *lines) flush() {
	if len(l.partial) > 0 {
		l.emit(string(l.partial))
		l.partial = nil
	}
}

func (l *lines) emit(line string) {
	l.out.print(l.prefix + line)
	l.mu.Lock()
	l.seen = append(l.seen, line)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lines) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.seen {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}
