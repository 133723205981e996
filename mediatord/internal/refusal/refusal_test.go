package refusal

import (
	"errors"
	"fmt"
	"testing"
)

func TestBecauseShowsTheSentenceAndKeepsTheKind(t *testing.T) {
	err := fmt.Errorf("reserving slot: %w", Because(ErrPoolFull, "pool %q is full", "gold"))
	if !errors.Is(err, ErrPoolFull) || errors.Is(err, ErrNoSuchPool) {
		t.Errorf("wrong kind: %v", err)
	}
	if got, want := err.Error(), `reserving slot: pool "gold" is full`; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
}
