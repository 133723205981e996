package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// connectVariable is the one that virsh reads too.
const connectVariable = "LIBVIRT_DEFAULT_URI"

const localConnect = "qemu:///system"

func defaultConnect(fromEnvironment string) string {
	if fromEnvironment != "" {
		return fromEnvironment
	}
	return localConnect
}

// sshHost is a host on which vgpuctl runs in our place.
type sshHost struct {
	command string // ssh, or the URI's parameter command
	options []string
	target  string // [user@]host
	path    string // of the URI there
}

// remoteHost reads a libvirt URI with the transport ssh; nil for any other that
// libvirt reaches by itself. The parameters command and keyfile mean what they
// mean to libvirt.
func remoteHost(uri string) (*sshHost, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, fmt.Errorf("--connect %q is no URI: write qemu:///system or qemu+ssh://USER@HOST/system", uri)
	}
	driver, transport, _ := strings.Cut(u.Scheme, "+")
	switch {
	case transport == "" && u.Hostname() == "", transport == "unix":
		return nil, nil
	case transport != "ssh":
		return nil, fmt.Errorf("--connect %s: vgpuctl reaches other hosts by ssh only, as it needs mediatord there too: write %s+ssh://%s%s", uri, driver, u.Host, u.Path)
	case u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(u.User.Username(), "-"):
		return nil, fmt.Errorf("--connect %s names no host: write %s+ssh://USER@HOST/system", uri, driver)
	}
	h := &sshHost{command: "ssh", target: u.Hostname(), path: driver + "://" + u.Path}
	if user := u.User.Username(); user != "" {
		h.target = user + "@" + h.target
	}
	if port := u.Port(); port != "" {
		h.options = append(h.options, "-p", port)
	}
	if command := u.Query().Get("command"); command != "" {
		h.command = command
	}
	if key := u.Query().Get("keyfile"); key != "" {
		h.options = append(h.options, "-i", key)
	}
	return h, nil
}

// arguments is the command line of ssh for a vgpuctl command as it was parsed
// here: its flags but --connect, then the rest. A user at a terminal gets one
// there too, so that a command that redraws the screen can.
func (h *sshHost) arguments(cmd *cobra.Command, rest []string, terminal bool) []string {
	words := append([]string{"vgpuctl"}, strings.Fields(cmd.CommandPath())[1:]...)
	words = append(words, "--connect="+h.path)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "connect" {
			words = append(words, "--"+f.Name+"="+f.Value.String())
		}
	})
	words = append(append(words, "--"), rest...)
	for i, word := range words {
		words[i] = shellQuote(word)
	}
	options := append([]string{}, h.options...)
	if terminal {
		options = append(options, "-t")
	}
	return append(options, "--", h.target, strings.Join(words, " "))
}

// run runs the command over there, with our input and output, and ends with its
// status.
func (h *sshHost) run(cmd *cobra.Command, rest []string) error {
	_, err := unix.IoctlGetTermios(1, unix.TCGETS)
	terminal := err == nil && cmd.OutOrStdout() == os.Stdout
	ssh := exec.CommandContext(cmd.Context(), h.command, h.arguments(cmd, rest, terminal)...) //nolint:gosec // the user's own command
	ssh.Stdin, ssh.Stdout, ssh.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	err = ssh.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return exitCode(0)
	case errors.As(err, &ended) && ended.ExitCode() == exitNotFound && cmd.Name() != "run":
		return fmt.Errorf("there is no vgpuctl on %s: install libvirt-vgpu there", h.target)
	case errors.As(err, &ended):
		return exitCode(ended.ExitCode())
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reaching %s: there is no %s on this host: install openssh-client", h.target, h.command)
	}
	return fmt.Errorf("reaching %s: %w", h.target, err)
}

// shellQuote makes a word safe for the shell that ssh starts.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.+:@/=,", r)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
