package lease

import "time"

// durations are what submissions of a key took. A process that makes more keys
// than anybody uses forgets them all now and then.
type durations struct {
	known map[uint64]time.Duration
}

const mostKeys = 1 << 16

// Unknown is how long something is taken to last that has not run yet.
const Unknown = 500 * time.Microsecond

// predict is how long a submission will take, and whether that is known.
func (d *durations) predict(s Submission) (time.Duration, bool) {
	if s.Key == 0 {
		return s.Length, true
	}
	if length, ok := d.known[s.Key]; ok {
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
	if len(d.known) > mostKeys || d.known == nil {
		d.known = map[uint64]time.Duration{}
	}
	if len(keys) == 1 {
		old, ok := d.known[keys[0]]
		switch {
		case !ok:
			d.known[keys[0]] = took
		case took < old:
			d.known[keys[0]] = old + (took-old)/2
		default:
			d.known[keys[0]] = old + (took-old)/8
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
	for i, key := range keys {
		if i > 0 && key == keys[i-1] {
			continue // once is enough
		}
		if old, ok := d.known[key]; ok {
			d.known[key] = max(time.Duration(float64(old)*part), 500*time.Nanosecond)
		}
	}
}
