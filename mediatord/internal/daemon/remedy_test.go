package daemon

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// Who starts mediatord by hand and is not root is told what to do; root, whose service is
// short of something else then, is not.
func TestWhatIsDeniedToAUser(t *testing.T) {
	denied := fmt.Errorf("making module cache: %w", syscall.EACCES)
	if err := withRemedy(denied, 1000); !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "as root") || !strings.Contains(err.Error(), "--module-cache") {
		t.Errorf("a user reads %v", err)
	}
	if err := withRemedy(denied, 0); err != denied {
		t.Errorf("root reads %v", err)
	}
	if err := withRemedy(nil, 1000); err != nil {
		t.Errorf("without an error: %v", err)
	}
}
