// Package executortest is a vgpu-executor for tests: it keeps the contract of
// docs/architecture.md with mediatord and runs no GPU. A test binary becomes it:
//
//	func TestMain(m *testing.M) {
//		executortest.MaybeRun()
//		os.Exit(m.Run())
//	}
//
// with os.Executable() in the place of vgpu-executor's path. What it does then
// is chosen by Behaviour in the environment and by orders that a test writes
// into the channel.
package executortest

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

// Behaviour is the environment variable that makes the executor misbehave.
const Behaviour = "FAKE_EXECUTOR"

// Values of Behaviour.
const (
	ExitAtStart  = "exit-at-start"  // ends with status 3 and a line on stderr
	NeverReady   = "never-ready"    // keeps silent
	IgnoreTERM   = "ignore-term"    // ends by SIGKILL only
	Nonsense     = "nonsense"       // is ready, then breaks the protocol
	EndlessLine  = "endless-line"   // is ready, then sends a line without end
	KeepChunks   = "keep-chunks"    // never confirms a revocation
	WrongChunks  = "wrong-chunks"   // drops chunks that nobody asked about
	EmptyParcel  = "empty-parcel"   // is ready, then announces a descriptor and sends none
	Grandchild   = "grandchild"     // leaves a child behind that holds stderr and ignores SIGTERM
	NoDescribing = "no-description" // --describe fails
)

// Order is a byte that a test stores at OrderOffset of the channel before it
// rings the channel's doorbell; the executor clears it when it is done.
type Order byte

// The orders.
const (
	OrderExit     Order = 'e' // end with status 4
	OrderFault    Order = 'f' // report CUDA_ERROR_ILLEGAL_ADDRESS and end
	OrderAllocate Order = 'a' // count one MiB of device memory and one call
	OrderRefuse   Order = 'r' // report a call that is not carried
	OrderFlood    Order = 'l' // send ten thousand log lines
)

// OrderOffset is the order's place in the channel: the ring's first byte.
const OrderOffset = window.ChRing

// Memory is what the described GPU has.
const Memory uint64 = 8 << 30

// MaybeRun turns the process into an executor if it was started as one; it
// does not return then.
func MaybeRun() {
	if len(os.Args) > 1 && os.Args[1] == "--backend" {
		os.Exit(run(os.Args[1:]))
	}
}

func run(args []string) int {
	f := flag.NewFlagSet("vgpu-executor", flag.ExitOnError)
	backend, gpu := f.String("backend", "", ""), f.String("gpu", "", "")
	describe := f.Bool("describe", false, "")
	channel, generation := f.Int("channel", -1, ""), f.Uint("generation", 0, "")
	domain, uuid, cache := f.String("domain", "", ""), f.String("domain-uuid", "", ""), f.String("module-cache", "", "")
	warm := f.Bool("warm", false, "")
	f.String("walls", "", "")
	leased := f.Bool("lease", false, "")
	_ = f.Parse(args) // exits on an error
	if *warm {
		a, err := awaitAssignment()
		if err != nil {
			return 0 // mediatord has gone
		}
		_ = f.Parse(a.Serve.Arguments)
	}
	if *describe {
		return printDescription(*backend, *gpu)
	}
	if *backend == "" || *gpu == "" || *generation == 0 || *domain == "" || *uuid == "" || *cache == "" {
		fmt.Fprintln(os.Stderr, "a flag is missing:", args)
		return 2
	}
	e, err := open(*channel, *leased)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return e.serve(os.Getenv(Behaviour))
}

func printDescription(backend, gpu string) int {
	if os.Getenv(Behaviour) == NoDescribing || backend == "cuda" && gpu != "0000:01:00.0" {
		fmt.Fprintf(os.Stderr, "there is no GPU %s\n", gpu)
		return 1
	}
	err := json.NewEncoder(os.Stdout).Encode(window.Description{
		DeviceCount: 1, DriverVersion: 13000, DriverString: "580.159.04", Name: "Test GPU", TotalMemory: Memory,
		Attributes: []window.Attribute{{}, {Value: 1024}},
	})
	if err != nil {
		return 1
	}
	return 0
}

type executor struct {
	control   *os.File
	window    *window.Window
	doorbell  *os.File
	interrupt *os.File
	account   *window.Account
	channel   int
	lease     *lease.Page // nil: there is none
	exit      chan int
}

func open(channel int, leased bool) (*executor, error) {
	e := &executor{control: os.NewFile(3, "control"), channel: channel, exit: make(chan int, 4)}
	var err error
	if e.window, err = window.Map(os.NewFile(4, "window")); err != nil {
		return nil, err
	}
	if err := e.window.CheckChannel(channel); err != nil {
		return nil, err
	}
	e.doorbell, e.interrupt = os.NewFile(5, "doorbell"), os.NewFile(6, "interrupt")
	if e.account, err = window.MapAccount(os.NewFile(7, "account")); err != nil {
		return nil, err
	}
	first := 8
	if leased {
		first = 10
		leases, err := os.Readlink("/proc/self/fd/8")
		if err != nil || !strings.HasPrefix(leases, "/memfd:vgpu-leases-") {
			return nil, fmt.Errorf("descriptor 8 is %q, %v, should be leases", leases, err)
		}
		if e.lease, err = lease.Open(os.NewFile(8, "leases"), channel, 9); err != nil {
			return nil, err
		}
	}
	for fd := first; fd < 64; fd++ { // whatever else is open, no second domain's memory
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && strings.HasPrefix(name, "/memfd:") {
			return nil, fmt.Errorf("descriptor %d was inherited: %s", fd, name)
		}
	}
	return e, nil
}

func (e *executor) serve(behaviour string) int {
	switch behaviour {
	case ExitAtStart:
		fmt.Fprintln(os.Stderr, "the driver is not loaded")
		return 3
	case IgnoreTERM:
		signal.Ignore(syscall.SIGTERM)
	case Grandchild:
		signal.Ignore(syscall.SIGTERM) // inherited
		process, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr, e.control}})
		if err != nil {
			return 2
		}
		e.say(map[string]any{"type": "log", "level": "info", "message": fmt.Sprintf("grandchild %d", process.Pid)})
	}
	if behaviour != NeverReady {
		e.say(map[string]any{"type": "ready"})
	}
	switch behaviour {
	case Nonsense:
		_, _ = io.WriteString(e.control, "{\"type\":\"dance\"}\n")
	case EmptyParcel:
		e.say(map[string]any{"type": "exported", "parcel": map[string]any{"id": 1, "descriptor": true}})
	case EndlessLine:
		go func() {
			for {
				if _, err := io.WriteString(e.control, strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
		}()
	case WrongChunks:
		for _, chunk := range []int{0, -1, 1 << 30} {
			e.say(map[string]any{"type": "revoked", "chunk": chunk})
		}
	}
	go e.listen(behaviour)
	go e.consume()
	return <-e.exit
}

func (e *executor) say(message map[string]any) {
	line, _ := json.Marshal(message) // maps of strings and numbers
	_, _ = e.control.Write(append(line, '\n'))
}

// listen obeys mediatord until it closes the control socket.
func (e *executor) listen(behaviour string) {
	lines := bufio.NewScanner(e.control)
	for lines.Scan() {
		var command struct {
			Type  string `json:"type"`
			Chunk *int   `json:"chunk"`
		}
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil && len(lines.Bytes()) > 0 {
			e.exit <- 5
		}
		switch command.Type {
		case "revoke":
			if behaviour != KeepChunks {
				e.say(map[string]any{"type": "revoked", "chunk": *command.Chunk})
			}
		case "resume":
			e.say(map[string]any{"type": "resumed"})
		case "stop":
			e.exit <- 0
		}
	}
	e.exit <- 0
}

// consume obeys orders in the channel.
func (e *executor) consume() {
	for {
		if e.lease != nil {
			e.lease.Idle()
		}
		if _, err := ivshmem.Await(e.doorbell); err != nil {
			return
		}
		if e.lease != nil {
			e.lease.Awake()
		}
		order := &e.window.Channel(e.channel)[OrderOffset]
		switch Order(*order) {
		case OrderExit:
			fmt.Fprintln(os.Stderr, "ordered to end")
			e.exit <- 4
			time.Sleep(time.Hour)
		case OrderFault:
			e.say(map[string]any{"type": "fault", "result": 700, "message": "an illegal memory access was encountered"})
			e.exit <- 0
			time.Sleep(time.Hour)
		case OrderAllocate:
			_ = e.account.Reserve(e.channel, 1<<20)
			done := e.account.Statistics(e.channel)
			done.Calls++
			e.account.SetStatistics(e.channel, done)
		case OrderRefuse:
			e.say(map[string]any{"type": "refused", "name": "cuTexObjectCreate", "count": 3})
		case OrderFlood:
			for i := range 10000 {
				e.say(map[string]any{"type": "log", "level": "warning", "message": fmt.Sprintf("line %d", i)})
			}
		}
		*order = 0
		_ = ivshmem.Signal(e.interrupt)
	}
}
