package lease

import (
	"testing"
	"time"
)

// What a row of submissions took together is news of each of them once, however
// often it is in the row and whatever comes between.
func TestARowIsLearntFromOnce(t *testing.T) {
	for name, of := range map[string]struct{ took, least, most time.Duration }{
		"half as long":  {640 * us, 10 * us, 20*us - 1},
		"twice as long": {2560 * us, 20*us + 1, 40 * us},
	} {
		var d durations
		var row []uint64
		for _, key := range []uint64{1, 3} {
			d.learn([]uint64{key}, 0, 20*us)
		}
		for range 32 {
			row = append(row, 1, 3)
		}
		d.learn(row, 1280*us, of.took)
		for _, key := range []uint64{1, 3} {
			if length, ok := d.get(key); !ok || length < of.least || length > of.most {
				t.Errorf("%s: 20us became %v", name, length)
			}
		}
	}
}

func TestTheTableOfDurationsGrowsAndForgets(t *testing.T) {
	var d durations
	for key := uint64(1); key <= mostKeys; key++ {
		d.set(key, time.Duration(key))
	}
	for key := uint64(1); key <= mostKeys; key++ {
		if length, ok := d.get(key); !ok || length != time.Duration(key) {
			t.Fatalf("key %d: %v, %v", key, length, ok)
		}
	}
	if _, ok := d.get(mostKeys + 1); ok {
		t.Error("a key that was never set is known")
	}
	d.set(mostKeys+1, us)
	d.set(mostKeys+2, us)
	if _, ok := d.get(1); ok {
		t.Error("nothing was forgotten")
	}
	if length, ok := d.get(mostKeys + 2); !ok || length != us {
		t.Errorf("the newest key: %v, %v", length, ok)
	}
}
