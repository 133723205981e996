package mediator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/events"
)

// xidSettles is how long after an Xid error its executor may notice that its
// context is lost, and before it.
const xidSettles = 2 * time.Second

// xids counts the Xid errors of every GPU.
type xids struct {
	settles time.Duration

	mu    sync.Mutex // guards counts, taken alone
	byGPU map[string]map[uint64]uint64
	last  map[string]uint64
}

// maxXids bounds the codes told apart on a GPU.
const maxXids = 256

func (x *xids) count(pci string, code uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byGPU == nil {
		x.byGPU, x.last = map[string]map[uint64]uint64{}, map[string]uint64{}
	}
	codes := x.byGPU[pci]
	if codes == nil {
		codes = map[uint64]uint64{}
		x.byGPU[pci] = codes
	}
	if _, known := codes[code]; known || len(codes) < maxXids {
		codes[code]++
	}
	x.last[pci] = code
}

// Xids is how often the GPU at a PCI address had each Xid error since mediatord's
// start, and the last one, 0 if it had none.
func (m *Mediator) Xids(pci string) (counts map[uint64]uint64, last uint64) {
	m.xids.mu.Lock()
	defer m.xids.mu.Unlock()
	return maps.Clone(m.xids.byGPU[pci]), m.xids.last[pci]
}

// Xid takes an Xid error of the GPU at a PCI address. Whose it was the driver tells
// the kernel's log only; it was an executor's that lost its context at that time.
// It returns at once; log, event and signal follow when executors have had time to
// notice.
func (m *Mediator) Xid(pci string, code uint64) {
	m.xids.count(pci, code)
	at := time.Now()
	time.AfterFunc(m.xids.settles, func() { m.tellXid(pci, code, at) })
}

func (m *Mediator) tellXid(pci string, code uint64, at time.Time) {
	text := describeXid(code)
	names := m.namesOf(pci)
	var culprits []events.Event
	seen := map[int]bool{}
	for _, e := range m.events.Lives(at.Add(-m.xids.settles)) {
		lost := e.Kind == events.Fault || e.Kind == events.WatchdogFired || e.Kind == events.ChannelFailed
		if lost && slices.Contains(names, e.GPU) && !seen[e.Executor] {
			seen[e.Executor] = true
			culprits = append(culprits, e)
		}
	}
	if len(culprits) == 0 {
		e := events.Event{Kind: events.XidReported, Time: at, GPU: pci, Channel: events.NoChannel, Text: text + "; no guest process lost its context"}
		if domains := m.atWork(names); len(domains) > 0 {
			e.Text += ", at work were " + strings.Join(domains, ", ")
		}
		m.recordXid(e, pci, code)
		return
	}
	for _, lost := range culprits {
		e := lost
		e.Kind, e.Time, e.Text = events.XidReported, at, text
		m.recordXid(e, pci, code)
	}
}

func (m *Mediator) recordXid(e events.Event, pci string, code uint64) {
	fields := logrus.Fields{"gpu": pci, "xid": code}
	if e.Domain != "" {
		fields["domain"], fields["domain_uuid"], fields["pool"] = e.Domain, e.DomainUUID, e.Pool
		fields["channel"], fields["executor"], fields["guest_pid"], fields["comm"] = e.Channel, e.Executor, e.Process, e.Command
	}
	m.log.WithFields(fields).Error(e.Text)
	m.events.Record(e)
	m.observer.XidReported(pci, code, e.DomainUUID, e.Text)
}

// namesOf is what pool files call the GPU at a PCI address, and its instances.
func (m *Mediator) namesOf(pci string) []string {
	names := []string{pci}
	for _, p := range m.allPools() {
		for _, name := range p.Config().GPUs {
			if d := m.prober.Found(name); d != nil && d.PCI == pci {
				names = append(names, name)
			}
		}
	}
	return names
}

// atWork lists the domains that have executors on a GPU, sorted.
func (m *Mediator) atWork(names []string) []string {
	m.mu.RLock()
	slots := slices.Collect(maps.Values(m.slots))
	m.mu.RUnlock()
	var domains []string
	for _, h := range slots {
		if !slices.Contains(names, h.Grant.Device.Name) {
			continue
		}
		for _, c := range h.Status().Channels {
			if c.ExecutorPID != 0 {
				domains = append(domains, h.Name)
				break
			}
		}
	}
	slices.Sort(domains)
	return domains
}

// describeXid says what NVIDIA's list of Xid errors says of the common ones.
func describeXid(code uint64) string {
	meanings := map[uint64]string{
		13: "graphics engine exception, mostly a program's fault", 31: "GPU memory page fault, mostly a program's fault",
		32: "corrupted push buffer", 43: "a program's work was ended", 45: "a program's channels were cleaned up", 46: "the GPU stopped processing",
		48: "memory error that cannot be corrected", 61: "firmware halted", 62: "firmware halted", 63: "memory row remapped", 64: "remapping a memory row failed",
		68: "video engine exception", 69: "graphics engine class error", 74: "NVLink error", 79: "the GPU has fallen off the bus",
		92: "many single-bit memory errors", 94: "contained memory error", 95: "uncontained memory error: every program on the GPU is affected",
		109: "context switch timeout", 119: "the GPU's system processor does not answer", 120: "error of the GPU's system processor",
		140: "memory error that was not recovered from", 143: "the GPU did not initialise",
	}
	if meaning, known := meanings[code]; known {
		return fmt.Sprintf("Xid %d: %s", code, meaning)
	}
	return fmt.Sprintf("Xid %d", code)
}
