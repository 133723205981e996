package supervisor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/plugin/ivshmem"
)

// stocked gives the settings a stock of two warm executors.
func stocked(t *testing.T, stock **Stock) func(*Settings) {
	return func(s *Settings) {
		*stock = NewStock(*s, 2, discard())
		t.Cleanup((*stock).Close)
		(*stock).Fill()
		s.Stock = *stock
	}
}

func (s *Stock) pids() (pids []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.warm {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}

func (s *Stock) await(t *testing.T, count int) []int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(s.pids()) != count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d warm executors, want %d", len(s.pids()), count)
		}
	}
	return s.pids()
}

func TestLaunchTakesAWarmExecutorOnce(t *testing.T) {
	var stock *Stock
	var before []int
	s := launch(t, "", func(settings *Settings) {
		stocked(t, &stock)(settings)
		before = stock.pids()
	})
	s.await(Ready)
	if len(before) != 2 || s.executor.PID() != before[0] {
		t.Errorf("executor %d is none of the warm ones %v", s.executor.PID(), before)
	}
	s.order(executortest.OrderAllocate)
	if _, err := ivshmem.Await(s.server.Interrupt(3)); err != nil {
		t.Fatal(err)
	}
	if used := s.account.Used(2); used != 1<<20 {
		t.Errorf("channel 2 counts %d bytes", used)
	}
	for _, pid := range stock.await(t, 2) {
		if pid == s.executor.PID() {
			t.Error("the executor is still in stock")
		}
	}
}

func TestDeadWarmExecutorIsNotTaken(t *testing.T) {
	var stock *Stock
	var dead int
	s := launch(t, "", func(settings *Settings) {
		stocked(t, &stock)(settings)
		dead = stock.pids()[0]
		if err := unix.Kill(dead, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		hasEnded(stock.warm[0].pidfd, -1)
	})
	s.await(Ready)
	if s.executor.PID() == dead {
		t.Error("a dead executor was taken")
	}
}

func TestCloseEndsWarmExecutors(t *testing.T) {
	var stock *Stock
	s := launch(t, "", stocked(t, &stock))
	s.await(Ready)
	warm := stock.await(t, 2)
	stock.Close()
	for _, pid := range warm {
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("warm executor %d: %v", pid, err)
		}
	}
	if stock.Fill(); len(stock.pids()) != 0 {
		t.Error("a closed stock was filled")
	}
}
