package parking

import "testing"

func TestBudgetIsNotExceeded(t *testing.T) {
	b := new(Budget)
	b.SetLimit(100)
	for _, step := range []struct {
		bytes uint64
		want  bool
	}{{60, true}, {41, false}, {1 << 63, false}, {40, true}, {1, false}} {
		if got := b.Reserve(step.bytes); got != step.want {
			t.Errorf("reserving %d is %v", step.bytes, got)
		}
	}
	b.Return(50)
	b.Take(70) // found at a restart
	if used, limit := b.Use(); used != 120 || limit != 100 {
		t.Errorf("%d of %d are used", used, limit)
	}
	if b.Reserve(1) {
		t.Error("something was given beyond the limit")
	}
	b.Return(1000)
	if used, _ := b.Use(); used != 0 {
		t.Errorf("%d are used at the end", used)
	}
	if limit := DefaultLimit(); limit < 16<<20 {
		t.Errorf("a quarter of this host is %d", limit)
	}
	if new(Budget).Reserve(1) {
		t.Error("no budget gave something")
	}
}
