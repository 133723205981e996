package hostile

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
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

// A hundred domains with a context wait: their executors sleep.
func TestIdleExecutorsSleep(t *testing.T) {
	s := begin(t, "")
	const domains = 100
	pids := []int{s.mediator.Process.Pid}
	for i := range domains {
		d := s.domain(fmt.Sprintf("idle%d", i), 64<<20)
		p := d.process()
		p.Must("primary_retain", 0)
		pids = append(pids, d.executor())
	}
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
		mostMediator = 10 * seconds // one look a second at all domains, by several of Go's threads
		mostExecutor = 2
	)
	var mediator, executors uint64
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); {
		before := count()
		time.Sleep(seconds * time.Second)
		after := count()
		mediator, executors = after[0]-before[0], 0
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
