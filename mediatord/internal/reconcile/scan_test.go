package reconcile

import (
	"testing"
	"time"
)

func TestLoopsWakeTogether(t *testing.T) {
	whole := time.Unix(1700000000, 0)
	for _, tc := range []struct{ after, period, want time.Duration }{
		{0, time.Second, time.Second},
		{time.Nanosecond, time.Second, time.Second - time.Nanosecond},
		{999 * time.Millisecond, time.Second, time.Millisecond},
		{250 * time.Millisecond, 100 * time.Millisecond, 50 * time.Millisecond},
	} {
		if got := untilNext(whole.Add(tc.after), tc.period); got != tc.want {
			t.Errorf("%v after a whole second, period %v: %v, want %v", tc.after, tc.period, got, tc.want)
		}
	}
}
