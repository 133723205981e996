package supervisor

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

func TestMain(m *testing.M) {
	executortest.MaybeRun()
	os.Exit(m.Run())
}

// stage is one launched executor with everything it shares.
type stage struct {
	t        *testing.T
	window   *window.Window
	account  *window.Account
	server   *ivshmem.Server
	executor *Executor

	mu     sync.Mutex
	events []Event
	signal chan struct{}
}

func launch(t *testing.T, behaviour string, change func(*Settings)) *stage {
	t.Helper()
	t.Setenv(executortest.Behaviour, behaviour)
	s := &stage{t: t, signal: make(chan struct{}, 1)}
	var err error
	if s.window, err = window.Create("test", 16<<20, 4); err != nil {
		t.Fatal(err)
	}
	if s.account, err = window.CreateAccount("test", 1<<30); err != nil {
		t.Fatal(err)
	}
	server, err := ivshmem.New(s.window.File(), 5, discard())
	if err != nil {
		t.Fatal(err)
	}
	s.server = server
	settings := Settings{
		Path: "/proc/self/exe", Backend: "soft", GPU: "0", Domain: "web", DomainUUID: "u", ModuleCache: "/tmp",
		KillAfter: 300 * time.Millisecond, ReadyWithin: 10 * time.Second,
	}
	if settings.Path, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&settings)
	}
	s.executor, err = Launch(settings, Files{
		Window: s.window.File(), Account: s.account.File(), Doorbell: server.Doorbell(3), Interrupt: server.Interrupt(3),
	}, 2, 7, s.sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.executor.Stop()
		<-s.executor.Gone()
		_, _, _ = server.Close(), s.account.Close(), s.window.Close()
	})
	return s
}

func (s *stage) sink(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// await returns the first event of a kind.
func (s *stage) await(kind Kind) Event {
	s.t.Helper()
	deadline := time.After(time.Minute)
	for {
		s.mu.Lock()
		i := slices.IndexFunc(s.events, func(e Event) bool { return e.Kind == kind })
		if i >= 0 {
			defer s.mu.Unlock()
			return s.events[i]
		}
		s.mu.Unlock()
		select {
		case <-s.signal:
		case <-deadline:
			s.t.Fatalf("no event of kind %d; got %+v", kind, s.events)
		}
	}
}

func (s *stage) order(o executortest.Order) {
	s.t.Helper()
	s.window.Channel(2)[executortest.OrderOffset] = byte(o)
	if err := ivshmem.Signal(s.server.Doorbell(3)); err != nil {
		s.t.Fatal(err)
	}
}

func TestExecutorBecomesReadyServesAndStops(t *testing.T) {
	s := launch(t, "", nil)
	s.await(Ready)
	ours, err := unix.Getsid(0)
	if session, failed := unix.Getsid(s.executor.PID()); err != nil || failed != nil || session != ours {
		t.Errorf("it is in session %d, %v, mediatord in %d, %v", session, failed, ours, err)
	}
	if group, err := syscall.Getpgid(s.executor.PID()); err != nil || group != s.executor.PID() {
		t.Errorf("the executor's process group is %d, %v", group, err)
	}
	s.order(executortest.OrderAllocate)
	if _, err := ivshmem.Await(s.server.Interrupt(3)); err != nil {
		t.Fatal(err)
	}
	if used := s.account.Used(2); used != 1<<20 {
		t.Errorf("channel 2 counts %d bytes", used)
	}
	s.order(executortest.OrderRefuse)
	if e := s.await(Refused); e.Name != "cuTexObjectCreate" || e.Count != 3 {
		t.Errorf("refused event is %+v", e)
	}
	s.executor.Revoke(1)
	if e := s.await(Revoked); e.Chunk != 1 {
		t.Errorf("revoked event is %+v", e)
	}
	s.executor.Stop()
	s.await(Exited)
	if err := syscall.Kill(s.executor.PID(), 0); err != syscall.ESRCH {
		t.Errorf("the executor is still there: %v", err)
	}
}

func TestExecutorsEndHasAReason(t *testing.T) {
	for _, tc := range []struct {
		name, behaviour string
		order           executortest.Order
		change          func(*Settings)
		result          uint32
		mentions        string
	}{
		{"crash", "", executortest.OrderExit, nil, ResultLaunchFailed, "exit status 4): ordered to end"},
		{"fault", "", executortest.OrderFault, nil, 700, "illegal memory access"},
		{"no start", executortest.ExitAtStart, 0, nil, ResultSystemNotReady, "exit status 3): the driver is not loaded"},
		{"nonsense", executortest.Nonsense, 0, nil, ResultLaunchFailed, `type "dance"`},
		{"endless line", executortest.EndlessLine, 0, nil, ResultLaunchFailed, "line without end"},
		{"never ready", executortest.NeverReady, 0, func(s *Settings) { s.ReadyWithin = 200 * time.Millisecond }, ResultSystemNotReady, "not ready after 200ms"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := launch(t, tc.behaviour, tc.change)
			if tc.order != 0 {
				s.await(Ready)
				s.order(tc.order)
			}
			if e := s.await(Exited); e.Result != tc.result || !strings.Contains(e.Text, tc.mentions) {
				t.Errorf("end is %d %q, want %d and %q", e.Result, e.Text, tc.result, tc.mentions)
			}
		})
	}
}

func TestStopKillsWhoIgnoresSIGTERM(t *testing.T) {
	s := launch(t, executortest.IgnoreTERM, nil)
	s.await(Ready)
	begin := time.Now()
	s.executor.Stop()
	s.executor.Stop()
	e := s.await(Exited)
	if took := time.Since(begin); took < 250*time.Millisecond || took > time.Minute || !strings.Contains(e.Text, "killed") {
		t.Errorf("ended after %v: %s", took, e.Text)
	}
}

func TestGrandchildrenEndWithTheExecutor(t *testing.T) {
	s := launch(t, executortest.Grandchild, nil)
	var pid int
	if _, err := fmt.Sscanf(s.await(Log).Text, "grandchild %d", &pid); err != nil {
		t.Fatal(err)
	}
	s.await(Ready)
	s.order(executortest.OrderExit)
	s.await(Exited)
	deadline := time.Now().Add(time.Minute)
	for syscall.Kill(pid, 0) == nil {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if strings.Contains(string(stat), ") Z ") { // whoever inherited it reaps it
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("grandchild %d is still there: %s", pid, stat)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestLaunchOfAnAbsentBinary(t *testing.T) {
	before := openFiles(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		_, err := Launch(Settings{Path: "/nonexistent/vgpu-executor"}, Files{Window: null, Doorbell: null, Interrupt: null, Account: null}, 0, 1, func(Event) {})
		if err == nil || !strings.Contains(err.Error(), "/nonexistent/vgpu-executor") {
			t.Fatalf("error is %v", err)
		}
	}
	_ = null.Close()
	if after := openFiles(t); after > before+1 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		line string
		want Event
		err  bool
	}{
		{`{"type":"ready"}`, Event{Kind: Ready}, false},
		{`{"type":"log","level":"error","message":"a\u001b[0m\nb"}`, Event{Kind: Log, Level: "error", Text: "a?[0m?b"}, false},
		{`{"type":"fault","result":700,"message":"x"}`, Event{Kind: Fault, Result: 700, Text: "x"}, false},
		{`{"type":"revoked","chunk":0}`, Event{Kind: Revoked}, false},
		{`{"type":"refused","name":"cuFoo","count":2}`, Event{Kind: Refused, Name: "cuFoo", Count: 2}, false},
		{`{"type":"room","bytes":5}`, Event{Kind: Room, Bytes: 5}, false},
		{`{"type":"room","bytes":5,"context":true}`, Event{Kind: Room, Bytes: 5, Context: true}, false},
		{`{"type":"fault","message":"x"}`, Event{}, true},
		{`{"type":"revoked"}`, Event{}, true},
		{`{"type":"revoked","chunk":1.5}`, Event{}, true},
		{`{"type":"refused"}`, Event{}, true},
		{`{"type":"unknown"}`, Event{}, true},
		{`[]`, Event{}, true},
		{``, Event{}, true},
	} {
		got, err := parse([]byte(tc.line))
		if (err != nil) != tc.err || got != tc.want {
			t.Errorf("%s: %+v, %v", tc.line, got, err)
		}
	}
	if e, _ := parse([]byte(`{"type":"log","message":"` + strings.Repeat("é", 4000) + `"}`)); len(e.Text) > maxText {
		t.Errorf("text has %d bytes", len(e.Text))
	}
}

func TestLineWriterCutsLines(t *testing.T) {
	var lines []string
	w := &lineWriter{limit: 5, emit: func(line string) { lines = append(lines, line) }}
	for _, part := range []string{"ab", "c\n\nlonger than five\n", "x\n", "last"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if got := w.Last(); got != "last" || !slices.Equal(lines, []string{"abc", "longe", "x", "last"}) {
		t.Errorf("lines %q, last %q", lines, got)
	}
}

func TestEnvironmentKeepsOurOwnAffairsBack(t *testing.T) {
	got := environment([]string{"PATH=/bin", "NOTIFY_SOCKET=/x", "LISTEN_FDS=3", "VGPU_SOCKET=/y", "DBUS_SYSTEM_BUS_ADDRESS=z", "CUDA_CACHE_PATH=/c"})
	if !slices.Equal(got, []string{"PATH=/bin", "CUDA_CACHE_PATH=/c", "GODEBUG=asyncpreemptoff=1"}) {
		t.Errorf("kept %q", got)
	}
	got = environment([]string{"GODEBUG=madvdontneed=1", "HOME=/"})
	if !slices.Equal(got, []string{"HOME=/", "GODEBUG=madvdontneed=1,asyncpreemptoff=1"}) {
		t.Errorf("kept %q", got)
	}
}

func TestParseParcels(t *testing.T) {
	e, err := parse([]byte(`{"type":"acquire","parcel":{"id":3,"channel":2,"generation":9}}`))
	if err != nil || e.Kind != Acquire || e.Parcel.ID != 3 || e.Parcel.Channel != 2 || e.Parcel.Generation != 9 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err = parse([]byte(`{"type":"exported","parcel":{"id":3,"result":1,"descriptor":true}}`)); err != nil || e.Kind != Exported || !e.Parcel.Descriptor {
		t.Errorf("%+v, %v", e, err)
	}
	for _, line := range []string{`{"type":"acquire"}`, `{"type":"exported","parcel":{"channel":64}}`, `{"type":"acquired","parcel":{"id":1}}`} {
		if _, err := parse([]byte(line)); !errors.Is(err, errMessage) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// An executor that announces a descriptor and sends none breaks the protocol.
func TestPromisedDescriptor(t *testing.T) {
	s := launch(t, executortest.EmptyParcel, nil)
	if e := s.await(Exited); e.Result != ResultLaunchFailed || !strings.Contains(e.Text, "descriptor") {
		t.Errorf("the end was %+v", e)
	}
}
