package hooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"
)

// ErrorPrefix begins the names of mediatord's own D-Bus errors.
const ErrorPrefix = Service + ".Error."

// maxLine bounds a refusal, in bytes: libvirt repeats it inside an error message of its own.
const maxLine = 1000

// refusal is why a domain may not do what it was about to do, and what a person can do about it.
type refusal struct {
	reason, remedy string
	// byMediator is set if mediatord itself said no.
	byMediator bool
}

func (r refusal) Error() string {
	if r.remedy == "" {
		return r.reason
	}
	return r.reason + "; " + r.remedy
}

// line is the refusal as the one plain line that libvirt passes on: no control characters, at most maxLine bytes.
func (r refusal) line(domain string) string {
	line := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, fmt.Sprintf("vgpu: domain %s: %s", domain, r.Error()))
	if len(line) > maxLine {
		line = line[:maxLine]
		for !utf8.ValidString(line) {
			line = line[:len(line)-1]
		}
	}
	return line
}

// remedies says what to do about mediatord's errors whose text does not say it itself.
func remedies() map[string]string {
	return map[string]string{
		"NoSuchPool":         "name one of the pools that vgpuctl pool list shows",
		"PoolFull":           "shut down another domain of the pool or give the pool more slots",
		"MemoryExceedsPool":  "shut down another domain of the pool or ask for less memory",
		"PriorityNotAllowed": "use a priority that the pool admits",
		"InvalidMetadata":    "correct the vgpu:gpu element in the domain's metadata",
		"InvalidSocketPath":  "remove the domain's vgpu0 shmem device and add it again with vgpuctl attach",
		"AlreadyReserved":    "shut down the domain that holds the slot",
		"GPUUnavailable":     "see vgpuctl status and vgpuctl doctor",
		"IsolationRefused":   "see what vgpuctl pool check says about the pool",
		"NotAuthorized":      "call it as root, or ask the host's administrator for the polkit action",
	}
}

// explain turns any error into a refusal. A text that already has "reason; remedy" is kept as it is.
func explain(err error, deadline time.Duration) refusal {
	var said refusal
	var remote dbus.Error
	var pointer *dbus.Error
	var bus *busError
	switch {
	case errors.As(err, &said):
		return said
	case errors.Is(err, context.DeadlineExceeded):
		return refusal{reason: fmt.Sprintf("mediatord did not answer over D-Bus within %v", deadline), remedy: "see journalctl -u mediatord"}
	case errors.As(err, &bus):
		return refusal{reason: bus.Error(), remedy: bus.remedy}
	case errors.As(err, &pointer):
		return explainRemote(*pointer)
	case errors.As(err, &remote):
		return explainRemote(remote)
	}
	return refusal{reason: "talking to mediatord over D-Bus failed: " + err.Error(), remedy: "see journalctl -u dbus -u mediatord"}
}

func explainRemote(err dbus.Error) refusal {
	if name, own := strings.CutPrefix(err.Name, ErrorPrefix); own {
		return withRemedy(sentence(err), remedies()[name])
	}
	switch name := strings.TrimPrefix(err.Name, standardErrors); {
	case name == "ServiceUnknown", name == "NameHasNoOwner":
		return refusal{reason: "mediatord is not running", remedy: "start it with systemctl start mediatord"}
	case NotActivated(err.Name):
		return refusal{reason: fmt.Sprintf("mediatord is not running and does not start (%s)", sentence(err)), remedy: "see systemctl status mediatord"}
	case name == "NoReply", name == "Disconnected":
		return refusal{reason: "mediatord ended before it answered", remedy: "see journalctl -u mediatord"}
	case name == "AccessDenied":
		return refusal{reason: "D-Bus policy denies the hook's call to mediatord", remedy: "reinstall the package libvirt-vgpu"}
	case name == "UnknownMethod", name == "UnknownObject", name == "UnknownInterface", name == "InvalidArgs":
		return refusal{reason: "mediatord does not know the hook's call: " + sentence(err), remedy: "install hook and mediatord of one version and restart mediatord"}
	}
	return withRemedy(sentence(err), "")
}

// standardErrors begins the names of D-Bus's own errors.
const standardErrors = "org.freedesktop.DBus.Error."

// NotActivated says that an error of this name is the message bus's, which could not
// start mediatord: its unit fails, takes too long or is masked.
func NotActivated(name string) bool {
	name = strings.TrimPrefix(name, standardErrors)
	return name == "TimedOut" || name == "FileExists" || strings.HasPrefix(name, "Spawn.") || strings.HasPrefix(name, "org.freedesktop.systemd1.")
}

func withRemedy(sentence, remedy string) refusal {
	switch {
	case strings.Contains(sentence, "; "):
		remedy = ""
	case remedy == "":
		remedy = "see journalctl -u mediatord"
	}
	return refusal{reason: sentence, remedy: remedy, byMediator: true}
}

// sentence is the error's text without its full stop, or its name if it has no text.
func sentence(err dbus.Error) string {
	if len(err.Body) > 0 {
		if text, ok := err.Body[0].(string); ok && strings.TrimSpace(text) != "" {
			return strings.TrimSuffix(strings.TrimSpace(text), ".")
		}
	}
	return err.Name
}
