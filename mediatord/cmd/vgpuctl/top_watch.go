package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// What terminals understand.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// interrupt is what Ctrl-C sends in raw mode.
const interrupt = 3

// watch draws on a terminal until q, Ctrl-C or a signal.
func watch(ctx context.Context, screen *os.File, interval time.Duration, processes bool, read func() (sample, error)) error {
	keyboard := int(os.Stdin.Fd())
	if term.IsTerminal(keyboard) {
		before, err := term.MakeRaw(keyboard)
		if err != nil {
			return fmt.Errorf("preparing the terminal: %w", err)
		}
		defer func() { _ = term.Restore(keyboard, before) }()
	}
	if _, err := io.WriteString(screen, enterScreen); err != nil {
		return fmt.Errorf("drawing: %w", err)
	}
	defer func() { _, _ = io.WriteString(screen, leaveScreen) }()
	w := watcher{
		screen: screen, keys: keys(os.Stdin), ticks: time.Tick(interval), processes: processes, read: read,
		size: func() (width, height int) {
			width, height, err := term.GetSize(int(screen.Fd()))
			if err != nil {
				return narrowest, 24
			}
			return width, height
		},
	}
	return w.run(ctx)
}

// keys passes letters on until the keyboard's end.
func keys(keyboard io.Reader) <-chan byte {
	pressed := make(chan byte)
	go func() {
		defer close(pressed)
		in := bufio.NewReader(keyboard)
		for {
			key, err := in.ReadByte()
			if err != nil {
				return
			}
			pressed <- key
		}
	}()
	return pressed
}

// watcher draws frames.
type watcher struct {
	screen    io.Writer
	keys      <-chan byte
	ticks     <-chan time.Time
	size      func() (width, height int)
	processes bool
	read      func() (sample, error)
}

func (w watcher) run(ctx context.Context) error {
	before, err := w.read()
	if err != nil {
		return err
	}
	shown := newFrame(before, before)
	for {
		if err := w.draw(shown); err != nil {
			return fmt.Errorf("drawing: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case key, open := <-w.keys:
			switch {
			case !open: // no keyboard: signals end it
				w.keys = nil
			case key == 'q', key == interrupt:
				return nil
			case key == 'p':
				w.processes = !w.processes
			}
		case <-w.ticks:
			now, err := w.read()
			if err != nil { // mediatord may come back
				shown.error = err.Error()
				continue
			}
			shown, before = newFrame(before, now), now
		}
	}
}

// draw writes a frame over the last one, as much as fits.
func (w watcher) draw(f frame) error {
	width, height := w.size()
	lines := strings.Split(strings.TrimSuffix(f.text(width, w.processes), "\n"), "\n")
	lines = append(lines[:min(len(lines), max(height-1, 1))], left("q: end   p: processes", max(width, narrowest)-1))
	for i := range lines {
		lines[i] = fit(lines[i], max(width, 1)) + clearLine
	}
	_, err := io.WriteString(w.screen, home+strings.Join(lines, "\r\n")+clearBelow)
	return err
}
