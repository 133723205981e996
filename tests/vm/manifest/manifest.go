// Package manifest is what the test harness tells guestinit to do inside the
// VM, and how guestinit reports it on the serial console.
//
// Console lines, in the order in which things happen:
//
//	kernel| TEXT             a line of the kernel log
//	NAME| TEXT               a line that step NAME wrote to stdout or stderr
//	@@ NAME exit=N ms=T      step NAME ended after T ms; see Step for N
//	@@ end                   every step of the manifest is done
//	@@ listening             steps that come on Commands are done from here on
//	@@ broken: TEXT          guestinit itself failed; nothing follows
package manifest

import "time"

// Path of the manifest in the guest, JSON.
const Path = "/etc/vgpu-test/manifest.json"

// Exit statuses that a program did not choose; a signal N is 128 + N.
const (
	ExitTimeout    = 124
	ExitNotStarted = 127
)

// Manifest is one boot.
type Manifest struct {
	Modules []string `json:"modules,omitempty"` // kernel modules to load, in order
	Steps   []Step   `json:"steps"`
	Hold    bool     `json:"hold,omitempty"` // stay up after the last step instead of powering off

	// Commands is a serial port from which more steps come, JSON one a line,
	// after the last step; "" is none.
	Commands string `json:"commands,omitempty"`
}

// Mount is a file system to mount, or a directory to show at a second place
// when Type is "".
type Mount struct {
	Type     string `json:"type,omitempty"`
	Source   string `json:"source"`
	Target   string `json:"target"` // made if it is missing
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Step is one thing to do; exactly one of Argv, Mount, Kill, Wait, Expect and Sleep is
// set. Steps are done in order. A step that names another names an earlier
// Background one.
type Step struct {
	Name string `json:"name"` // unique, no white space

	Argv       []string      `json:"argv,omitempty"` // program and arguments
	Env        []string      `json:"env,omitempty"`  // NAME=value, added to PATH and HOME
	Dir        string        `json:"dir,omitempty"`
	Root       string        `json:"root,omitempty"`       // its root directory, chroot(2); the guest's own otherwise
	UID        uint32        `json:"uid,omitempty"`        // run as this user and group
	Timeout    time.Duration `json:"timeout,omitempty"`    // killed then, exit=124; 0 is a minute
	Background bool          `json:"background,omitempty"` // go on at once; its @@ line comes when it ends

	Mount *Mount `json:"mount,omitempty"` // exit=0, or 1 and why

	Kill   string `json:"kill,omitempty"`   // send Signal to that step's process; exit=0, or 1 if it is gone
	Signal int    `json:"signal,omitempty"` // 0 is SIGKILL

	Wait string `json:"wait,omitempty"` // until that step ended; exit=0

	Expect string `json:"expect,omitempty"` // until that step wrote a line that contains Text; exit=0, 124 in vain, 1 if it ended without
	Text   string `json:"text,omitempty"`

	Sleep time.Duration `json:"sleep,omitempty"`
}
