package revert

import (
	"slices"
	"testing"
)

func TestFailUndoesInReverseAndOnce(t *testing.T) {
	var order []int
	var r Reverter
	for i := range 3 {
		r.Add(func() { order = append(order, i) })
	}
	r.Fail()
	r.Fail()
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("undone in the order %v", order)
	}
}

func TestSuccessKeepsEverything(t *testing.T) {
	var r Reverter
	r.Add(func() { t.Error("undone after success") })
	r.Success()
	r.Fail()
}
