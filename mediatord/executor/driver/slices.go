package driver

import "time"

// Slicer is a backend whose hardware can be told for how long its process's work has the GPU at a
// time while other processes have some too.
type Slicer interface {
	// SetSlice holds for what the process has on the GPU and whatever it will have, in whole
	// microseconds; 0: what the driver gives by itself. It returns how many of the process's
	// queues it was asked of, and why some kept what they had. Any thread may call it, beside
	// other calls.
	SetSlice(slice time.Duration) (queues int, err error)
}
