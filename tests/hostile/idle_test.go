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
	// Go's own threads come to rest, and mediatord's looks at changes.
	time.Sleep(4 * time.Second)
	const seconds = 3
	before := count()
	time.Sleep(seconds * time.Second)
	after := count()
	var executors uint64
	for i := range pids[1:] {
		executors += after[i+1] - before[i+1]
	}
	t.Logf("in %d s mediatord woke %d times, %d executors %d times", seconds, after[0]-before[0], domains, executors)
	// Of a hundred processes Go's runtime may wake some by itself. mediatord looks
	// once a second at all domains that have a context, together.
	if executors > domains/4 {
		t.Errorf("executors woke %d times", executors)
	}
	if most := uint64(30 * seconds); after[0]-before[0] > most {
		t.Errorf("mediatord woke %d times, more than %d", after[0]-before[0], most)
	}
}
