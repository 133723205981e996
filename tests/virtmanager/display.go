package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The size of the display, and of the window on it.
const (
	displaySize  = "962x724x24"
	windowWidth  = 960
	windowHeight = 700
)

// Programs under emulation draw slowly: what a person would wait between two
// motions, and between two keys in milliseconds.
const (
	afterMotion = 700 * time.Millisecond
	afterKey    = "25"
)

// display is an X server that nobody looks at, with a window manager.
type display struct {
	name    string // ":7"
	running []*exec.Cmd
}

func openDisplay(ctx context.Context) (*display, error) {
	d := &display{}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting Xvfb: %w", err)
	}
	defer read.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", displaySize, "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{write}
	err = d.start(server)
	_ = write.Close()
	if err != nil {
		return nil, err
	}
	number, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		d.close()
		return nil, fmt.Errorf("starting Xvfb: %w", err)
	}
	d.name = ":" + strings.TrimSpace(number)
	windows := exec.Command("openbox", "--sm-disable")
	windows.Env = append(os.Environ(), "DISPLAY="+d.name)
	if err := d.start(windows); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// start runs a program until close, in a group of its own.
func (d *display) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s (make screenshots installs what is needed): %w", cmd.Path, err)
	}
	d.running = append(d.running, cmd)
	return nil
}

// close ends the programs, the last one first.
func (d *display) close() {
	for i := len(d.running) - 1; i >= 0; i-- {
		cmd := d.running[i]
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		ended := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		ended.Stop()
	}
	d.running = nil
}

type point struct{ x, y int }

// A motion is the arguments of one xdotool command.
type motion []string

func click(p point) motion {
	return motion{"mousemove", strconv.Itoa(p.x), strconv.Itoa(p.y), "click", "1"}
}

func keys(names ...string) motion { return append(motion{"key", "--delay", "150"}, names...) }

func text(line string) motion { return motion{"type", "--delay", afterKey, line} }

// do makes motions one after the other.
func (d *display) do(ctx context.Context, motions ...motion) error {
	for _, m := range motions {
		if _, err := d.xdotool(ctx, m...); err != nil {
			return err
		}
		select {
		case <-time.After(afterMotion):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (d *display) xdotool(ctx context.Context, args ...string) (string, error) {
	return d.said(exec.CommandContext(ctx, "xdotool", args...))
}

// window waits for a window of a name and puts it into the corner.
func (d *display) window(ctx context.Context, name string) error {
	found, err := d.xdotool(ctx, "search", "--sync", "--onlyvisible", "--name", name)
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(found, "\n")
	return d.do(ctx, motion{"windowmove", id, "0", "0"}, motion{"windowsize", id, strconv.Itoa(windowWidth), strconv.Itoa(windowHeight)})
}

// picture keeps what the display shows, in few colours, which makes it small.
func (d *display) picture(ctx context.Context, file string) error {
	_, err := d.said(exec.CommandContext(ctx, "import", "-window", "root", "+dither", "-colors", "32", "-strip", "png8:"+file))
	return err
}

func (d *display) said(cmd *exec.Cmd) (string, error) {
	cmd.Env = append(os.Environ(), "DISPLAY="+d.name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out), nil
}
