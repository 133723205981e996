// Package revert undoes the steps of an operation that failed half way.
package revert

// Reverter collects undo steps. The zero value is ready:
//
//	var undo revert.Reverter
//	defer undo.Fail()
//	...
//	undo.Success()
type Reverter struct {
	steps []func()
}

// Add registers an undo step for what was just done.
func (r *Reverter) Add(step func()) { r.steps = append(r.steps, step) }

// Fail runs the steps, last one first. After Success it does nothing.
func (r *Reverter) Fail() {
	for i := len(r.steps) - 1; i >= 0; i-- {
		r.steps[i]()
	}
	r.steps = nil
}

// Success forgets the steps.
func (r *Reverter) Success() { r.steps = nil }
