// Command vgpu-executor executes the CUDA calls of one guest process on a GPU.
// mediatord starts one per guest process; docs/architecture.md says with which
// arguments and file descriptors.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/sandbox"
	"libvirt-vgpu/plugin/api"
)

// Exit codes besides 0.
const (
	exitStart     = 1 // did not become ready
	exitViolation = 3 // the guest process broke the protocol
	exitFailure   = 4 // anything else that ended a ready executor
)

type options struct {
	backend, gpu       string
	describe           bool
	holdContext        bool
	channel            int
	generation         uint
	domain, domainUUID string
	moduleCache        string
	lease              bool
	walls              string
	warm               bool
}

// flags is what a command line, or an assignment, says.
func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("vgpu-executor", flag.ExitOnError)
	f.StringVar(&o.backend, "backend", "cuda", "cuda: the GPU's driver; soft: a GPU in software")
	f.StringVar(&o.gpu, "gpu", "0", "PCI address or ordinal of the GPU, or UUID of a MIG instance")
	f.BoolVar(&o.describe, "describe", false, "print the GPU's description as JSON and exit")
	f.BoolVar(&o.holdContext, "hold-context", false, "make a context, say so, and keep it until standard input ends: for --describe, which measures what that costs")
	f.IntVar(&o.channel, "channel", -1, "number of the channel in the window")
	f.UintVar(&o.generation, "generation", 0, "generation of the channel")
	f.StringVar(&o.domain, "domain", "", "name of the domain")
	f.StringVar(&o.domainUUID, "domain-uuid", "", "UUID of the domain")
	f.StringVar(&o.moduleCache, "module-cache", "", "directory of the module cache; empty: none")
	f.BoolVar(&o.lease, "lease", false, "work under the lease in file descriptors 8 and 9")
	f.StringVar(&o.walls, "walls", string(sandbox.Available), "available, required, off, or trial: nothing is refused, but written into the module cache's directory")
	f.BoolVar(&o.warm, "warm", false, "load the driver first; mediatord says later which channel it is for")
	return f
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == sandbox.HelperArgument {
		if err := sandbox.Help(); err != nil {
			fail(err)
		}
		return
	}
	var o options
	arguments := o.flags()
	_ = arguments.Parse(os.Args[1:]) // exits on an error
	if arguments.NArg() > 0 {
		fail(fmt.Errorf("unexpected argument %q", arguments.Arg(0)))
	}
	if o.describe {
		if err := describe(o); err != nil {
			fail(err)
		}
		return
	}
	if o.holdContext {
		if err := holdContext(o); err != nil {
			fail(err)
		}
		return
	}
	w, err := newWalls(o)
	if err != nil {
		fail(err)
	}
	if err := w.enter(); err != nil {
		fail(err)
	}
	if err := freeAddresses(); err != nil {
		fail(err)
	}
	os.Exit(serve(o, w))
}

func describe(o options) error {
	gpu, err := openBackend(o.backend, o.gpu, logrus.StandardLogger())
	if err != nil {
		return err
	}
	description, err := gpu.Describe()
	if err != nil {
		return fmt.Errorf("describing GPU: %w", err)
	}
	if err := measureContexts(o, gpu, description); err != nil {
		fmt.Fprintln(os.Stderr, "vgpu-executor: contexts will not be counted:", err)
	}
	for i := range description.Attributes {
		if api.Concealed(i) {
			description.Attributes[i].Value = 0
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(description); err != nil {
		return fmt.Errorf("writing description: %w", err)
	}
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "vgpu-executor:", err)
	os.Exit(exitStart)
}
