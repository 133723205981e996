package lease

import (
	"math"
	"time"
)

// Unlimited as a budget lets an executor submit without a look at anything else.
const Unlimited time.Duration = math.MaxInt64

// Measured as a budget is as much as Unlimited, but what is submitted is measured.
const Measured = Unlimited / 2

// Never is the instant that does not come.
const Never time.Duration = math.MaxInt64

// Fallback is the budget of an executor whose lease has expired: mediatord is
// gone, and nobody should stop for good, nor take the GPU for itself.
const Fallback = 2 * time.Millisecond

// Terms are what mediatord allows one executor. Instants are those of the
// monotonic clock, as nanoseconds since its start.
type Terms struct {
	// Budget is the predicted GPU time in flight beyond which nothing more is
	// submitted; with nothing in flight one submission of any length may go. 0:
	// nothing may.
	Budget time.Duration
	// ClearBy is when the GPU is needed by somebody else: what would not be done
	// by then waits. Never: by nobody.
	ClearBy time.Duration
	// Coarse is the length from which on work may be late for ClearBy by Grace: where
	// pieces are large, too little fits into a gap without.
	Coarse, Grace time.Duration
	// Ready is when the GPU should change to the executor's context although it has nothing to do:
	// it will soon. 0: at no time.
	Ready time.Duration
	// Slice is how long the hardware is to let the executor's work have the GPU at a time while others
	// have some too, whole microseconds up to an hour; 0: as its driver does. It outlasts Expiry.
	Slice time.Duration
	// Expiry is when the terms end and Fallback begins.
	Expiry time.Duration
}

// Admit says whether work of a predicted length may be submitted behind what is
// in flight.
func (t Terms) Admit(now, inFlight, work time.Duration) bool {
	if now >= t.Expiry {
		t.Budget, t.ClearBy = Fallback, Never
	}
	if t.Budget == Unlimited {
		return true
	}
	if t.ClearBy != Never {
		late := now + inFlight + work - t.ClearBy
		if late > 0 && (work < t.Coarse || late > t.Grace) {
			return false
		}
	}
	if inFlight == 0 {
		return t.Budget > 0
	}
	return inFlight+work <= t.Budget
}
