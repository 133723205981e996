package stage

import (
	"errors"
	"strings"
	"testing"
)

func TestReadReport(t *testing.T) {
	for _, tc := range []struct {
		name, output   string
		passed, failed int
		err            error
	}{
		{name: "good", output: "info device x\nok a.b\nok a.c PTX 80\nprog: 2 passed, 0 failed", passed: 2},
		{name: "failing", output: "ok a.b\nFAILED a.c not so\nprog: 1 passed, 1 failed", passed: 1, failed: 1},
		{name: "cut short", output: "ok a.b", passed: 1, failed: 1, err: ErrNoReport},
		{name: "empty", output: "", failed: 1, err: ErrNoReport},
		{name: "another program's", output: "ok a.b\nother: 1 passed, 0 failed", passed: 1, failed: 1, err: ErrNoReport},
		{name: "lost lines", output: "ok a.b\nprog: 2 passed, 0 failed", passed: 2, err: ErrMiscount},
		{name: "hidden failure", output: "ok a.b\nFAILED a.c x\nprog: 1 passed, 0 failed", passed: 1, err: ErrMiscount},
		{name: "no checks", output: "prog: 0 passed, 0 failed", err: ErrMiscount},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := ReadReport("prog", strings.Split(tc.output, "\n"))
			if r.Passed != tc.passed || r.Failed != tc.failed || !errors.Is(err, tc.err) {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
