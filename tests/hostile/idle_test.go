package hostile

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// switches counts how often a process's threads went to sleep by themselves.
func switches(t *testing.T, pid int) (total uint64) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	check(t, err)
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if os.IsNotExist(err) {
			continue
		}
		check(t, err)
		for line := range strings.Lines(string(text)) {
			var n uint64
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n); err == nil {
				total += n
			}
		}
	}
	return total
}

// A hundred domains with a context wait, one of them parked: neither their executors wake nor mediatord. What the runtime of
// Go does by itself, a forced collection after two minutes without one, may fall into one stretch of time.
func TestIdleDomainsWakeNobody(t *testing.T) {
	s := begin(t, "")
	const domains = 100
	pids := []int{s.mediator.Process.Pid}
	for i := range domains - 1 {
		d := s.domain(fmt.Sprintf("idle%d", i), 64<<20)
		p := d.process()
		p.Must("primary_retain", 0)
		pids = append(pids, d.executor())
	}
	parked := s.domain("parked", 64<<20)
	parked.hoard()
	pids = append(pids, parked.executor())
	count := func() []uint64 {
		counts := make([]uint64, len(pids))
		for i, pid := range pids {
			counts[i] = switches(t, pid)
		}
		return counts
	}
	// Starting takes a while to come to rest, longer on a slow machine; what wakes by
	// itself, as a timer does, shows in every stretch of time.
	const (
		seconds      = 3
		mostMediator = 2
		mostExecutor = 2
	)
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		before := count()
		time.Sleep(seconds * time.Second)
		after := count()
		mediator, executors := after[0]-before[0], uint64(0)
		for i := range pids[1:] {
			executors += after[i+1] - before[i+1]
		}
		t.Logf("in %d s mediatord woke %d times, %d executors %d times", seconds, mediator, domains, executors)
		if mediator <= mostMediator && executors <= mostExecutor {
			return
		}
	}
	t.Errorf("in each stretch of %d s mediatord woke more than %d times, or the executors more than %d times", seconds, mostMediator, mostExecutor)
}

// ticks is how long a process has had a processor, in hundredths of a second.
func ticks(t *testing.T, pid int) (total uint64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	_, after, _ := strings.Cut(string(text), ") ")
	const user, system = 11, 12 // behind the name and the state
	fields := strings.Fields(after)
	for _, field := range fields[user : system+1] {
		n, err := strconv.ParseUint(field, 10, 64)
		check(t, err)
		total += n
	}
	return total
}

// Who asks for look after look, for which nobody waits, has mediatord do no more than who asks now and then.
func TestAFloodOfLooksCostsLittle(t *testing.T) {
	s := begin(t, "")
	d := s.domain("curious", 64<<20)
	p := d.process()
	p.Must("primary_retain", 0)
	const seconds = 3
	began, before := time.Now(), ticks(t, s.mediator.Process.Pid)
	check(t, p.conn.SetDeadline(began.Add(seconds*time.Second)))
	sent := 0
	for tell(p.conn, message{kind: look}) == nil {
		sent++
	}
	took, used := time.Since(began), ticks(t, s.mediator.Process.Pid)-before
	t.Logf("%d looks in %v cost mediatord %d0 ms of a processor", sent, took, used)
	if most := 1000 * seconds; sent > most {
		t.Errorf("%d looks are heard in %d s, want %d at most, with those that wait in the socket", sent, seconds, most)
	}
	if part := float64(used) / (100 * took.Seconds()); part > 0.3 {
		t.Errorf("a flood of looks takes %.2f of a processor from mediatord", part)
	}
}

// resting says that mediatord has stopped to look at the process's domain.
func (p *process) resting() bool {
	_, resting := p.Window.Looks()
	return resting
}

// top is what vgpuctl shows of a domain's last second.
func (d *domain) top() (calls, share float64) {
	d.Helper()
	out, err := exec.Command(filepath.Join(binaries, "vgpuctl"), "--bus", d.address, "top", "--json").Output()
	check(d, err)
	var frame struct {
		Domains []struct {
			UUID  string   `json:"uuid"`
			Calls float64  `json:"calls"`
			Share *float64 `json:"gpu_share"`
		} `json:"domains"`
	}
	check(d, json.Unmarshal(out, &frame))
	for _, shown := range frame.Domains {
		if shown.UUID == d.property("UUID").(string) && shown.Share != nil {
			return shown.Calls, *shown.Share
		}
	}
	d.Fatalf("top does not show the domain with its share:\n%s", out)
	return 0, 0
}

// The first work of a domain that was idle ends mediatord's rest, whoever asks or not, and all that shows who works shows it.
func TestFirstWorkAfterIdlenessIsSeen(t *testing.T) {
	s := begin(t, "")
	s.domain("neighbour", 64<<20).process().Must("primary_retain", 0)
	d := s.domain("idle", 64<<20)
	w, err := d.process().work()
	check(t, err)
	check(t, w.compute())
	idle := func() uint64 {
		return d.property("Channels").([]map[string]dbus.Variant)[0]["Idle"].Value().(uint64)
	}
	used := func() uint64 { return d.property("Statistics").(map[string]uint64)["GPUTime"] }
	for round := range 2 {
		const long = 6
		s.until("rest", func() bool { return w.resting() && idle() >= long })
		before := used()
		if calls, share := d.top(); calls != 0 || share != 0 || !w.resting() {
			t.Fatalf("round %d: idle, it makes %v calls and has %v of the GPU; mediatord rests: %v", round, calls, share, w.resting())
		}
		check(t, w.compute())
		s.until("end of the rest", func() bool { return !w.resting() })
		s.until("end of idleness", func() bool { return idle() < long })
		s.until("GPU time", func() bool { return used() > before })
		working := make(chan struct{})
		worked := make(chan error, 1)
		go func() {
			for {
				select {
				case <-working:
					worked <- nil
					return
				default:
				}
				if err := w.compute(); err != nil {
					worked <- err
					return
				}
			}
		}()
		calls, share := d.top()
		close(working)
		check(t, <-worked)
		if calls == 0 || share == 0 {
			t.Errorf("round %d: at work, top shows %v calls and %v of the GPU", round, calls, share)
		}
	}
	s.until("rest", w.resting)
	looks, _ := w.Window.Looks()
	check(t, tell(w.conn, message{kind: look}))
	s.until("look for who asks", func() bool { now, _ := w.Window.Looks(); return now != looks })
}
