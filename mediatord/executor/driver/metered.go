package driver

// Metered is a limited lease for a Burst: what lease.Meter knows, as far as
// launches change it; cuda/meter.h has the same layout and does the same as the
// meter. Instants and lengths are nanoseconds, those of lease.Terms and of the
// meter. A launch that the meter would do more for than add it to a lane (one that
// must wait, that has never run, that comes when something is done) is left at the
// head of the ring.
type Metered struct {
	Budget, ClearBy, Coarse, Grace, Expiry int64
	// Overdue is the instant after which something on the GPU is late.
	Overdue int64
	// Grain is the length from which on a segment gets its mark.
	Grain int64
	// Settle and SettleBehind are how long the ring is empty before the meter marks what is
	// open on a lane without, and with, something pending; Linger before others may have the turn.
	Settle, SettleBehind, Linger int64

	Flying    int64
	Looked    int64 // at or before the last look at marks
	Submitted int64 // when Quiet began

	FlyingWord uintptr // where Flying is shown
	Clock      uintptr // of a word that has the time; 0: the monotonic clock
	Quiet      uint32  // 1: the ring is empty
	Wanted     uint32  // 1: there is, or was a moment ago, work for the GPU
	LaneCount  uint32
	Last       uint32 // lane of the last submission
	TableBits  uint32 // Durations has 1<<TableBits entries
	Launches   uint32 // found: added to lanes
	Lanes      [MeteredLanes]MeteredLane
}

const (
	// MeteredLanes is the most streams with work of one Burst.
	MeteredLanes = 8
	// LaneKeys is the most keys of a lane's open segment.
	LaneKeys = 64
)

// MeteredLane is a stream with work on the GPU.
type MeteredLane struct {
	Stream Stream
	Word   uintptr // of its marks
	// The open segment.
	Begin     int64
	Predicted int64
	Count     uint32
	Keyed     uint32 // keys, the new ones included

	Awaited uint32 // the value of Word that ends what is next
	Pending uint32 // 1: something is
	Current uint32 // 1: its context is the Burst's
	Fresh   uint32 // new keys, one for each launch
	Keys    [LaneKeys]uint64
}

// Duration is how long what has Key takes, in nanoseconds; Key 0 is an empty
// entry. A table of them has 1<<bits entries, never all used; a key lies in the
// first free one from DurationPlace on, the last being followed by the first.
type Duration struct {
	Key    uint64
	Length int64
	Row    uint64 // the meter's
}

// DurationPlace is where in a table of 1<<bits entries a key is looked for first.
func DurationPlace(key uint64, bits uint32) uint64 { return key * 0x9e3779b97f4a7c15 >> (64 - bits) }
