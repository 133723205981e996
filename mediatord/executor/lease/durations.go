package lease

import (
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
)

// durations are what submissions of a key took, in a table that C can read while
// the consumer is in a burst. A process that makes more keys than anybody uses
// forgets them all now and then.
type durations struct {
	table []driver.Duration
	bits  uint32
	count int
	row   uint64 // that was learnt from last
}

const (
	mostKeys  = 1 << 16
	firstBits = 8
)

// Unknown is how long something is taken to last that has not run yet.
const Unknown = 500 * time.Microsecond

// entry is where a key is, or belongs.
func (d *durations) entry(key uint64) *driver.Duration {
	i := driver.DurationPlace(key, d.bits)
	for d.table[i].Key != 0 && d.table[i].Key != key {
		i = (i + 1) % uint64(len(d.table))
	}
	return &d.table[i]
}

func (d *durations) get(key uint64) (time.Duration, bool) {
	if d.count == 0 {
		return 0, false
	}
	e := d.entry(key)
	return time.Duration(e.Length), e.Key == key
}

// set notes the duration of a key, which is not 0; neither is it.
func (d *durations) set(key uint64, length time.Duration) {
	if d.count > mostKeys || d.table == nil {
		*d = durations{table: make([]driver.Duration, 1<<firstBits), bits: firstBits, row: d.row}
	}
	e := d.entry(key)
	if e.Key == 0 {
		if d.count++; 2*d.count > len(d.table) {
			d.grow()
			e = d.entry(key)
		}
	}
	*e = driver.Duration{Key: key, Length: int64(length)}
}

func (d *durations) grow() {
	old := d.table
	d.bits++
	d.table = make([]driver.Duration, 1<<d.bits)
	for _, e := range old {
		if e.Key != 0 {
			*d.entry(e.Key) = e
		}
	}
}

// predict is how long a submission will take, and whether that is known.
func (d *durations) predict(s Submission) (time.Duration, bool) {
	if s.Key == 0 {
		return s.Length, true
	}
	if length, ok := d.get(s.Key); ok {
		return length, true
	}
	return Unknown, false
}

// learn notes that submissions of these keys took took together. Work of others in
// between makes it more, so less is believed at once and more bit by bit.
func (d *durations) learn(keys []uint64, predicted, took time.Duration) {
	if len(keys) == 0 {
		return
	}
	took = max(took, time.Microsecond)
	if len(keys) == 1 {
		old, ok := d.get(keys[0])
		switch {
		case !ok:
			d.set(keys[0], took)
		case took < old:
			d.set(keys[0], old+(took-old)/2)
		default:
			d.set(keys[0], old+(took-old)/8)
		}
		return
	}
	// A row of known ones: each was off by the same part.
	part := min(max(float64(took)/float64(max(predicted, 1)), .25), 4)
	step := .5
	if part > 1 {
		step = .125
	}
	part = 1 + (part-1)*step
	d.row++
	for _, key := range keys {
		if d.count == 0 {
			return
		}
		if e := d.entry(key); e.Key != 0 && e.Row != d.row { // once, however often it is in the row
			e.Row, e.Length = d.row, max(int64(float64(e.Length)*part), int64(500*time.Nanosecond))
		}
	}
}
