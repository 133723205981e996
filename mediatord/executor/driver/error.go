package driver

import "fmt"

// Error is a driver function's failure as an error.
type Error struct {
	Function string
	Result   Result
}

// Error names the function and the result.
func (e *Error) Error() string { return fmt.Sprintf("%s failed with error %d", e.Function, e.Result) }

// Check makes a result of function an error; nil for Success.
func Check(function string, r Result) error {
	if r == Success {
		return nil
	}
	return &Error{Function: function, Result: r}
}
