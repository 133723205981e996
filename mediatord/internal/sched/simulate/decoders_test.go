package simulate

import (
	"fmt"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// Two domains that pause after each piece of work, as decoders do between two tokens, fill each other's pauses by the hardware's slices; more have turns. All
// are equals.
func TestPausesAreFilled(t *testing.T) {
	for count, least := range map[int]float64{2: .865, 3: .84, 4: .84} { // in turns two have .85
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			var tenants []*Tenant
			for range count {
				tenants = append(tenants, &Tenant{Settings: settings(sched.Normal, 100), Program: Thinking{Kernels: 1, Length: 1100 * us, Pause: 110 * us}})
			}
			s := New(sched.Defaults(), H200(), 1, tenants...)
			s.Run(4 * time.Second)
			if busy := s.Busy().Seconds() / 4; busy < least {
				t.Errorf("they have %.3f of the GPU\n%s", busy, describe(s))
			}
			for _, x := range tenants {
				if got, want := share(x, tenants), 1/float64(count); got < .99*want || got > 1.01*want {
					t.Errorf("one has %.4f of it all, not %.4f\n%s", got, want, describe(s))
				}
			}
		})
	}
}
