package reconcile

import (
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

// resultStale is what a process reads whose handle names nothing any more:
// CUDA_ERROR_INVALID_HANDLE, as the driver answers when the owner has ended.
const resultStale = 400

// request is a parcel under way between two executors of the domain.
type request struct {
	id                 uint64 // the importer's number
	importer, exporter party
}

// party is one executor: a channel and the start it came from.
type party struct {
	channel int
	launch  uint64
}

func (l *Loop) party(i int) party { return party{i, l.channels[i].launch} }

// present says that the party's executor runs.
func (l *Loop) present(p party) bool {
	c := &l.channels[p.channel]
	return c.executor != nil && c.launch == p.launch
}

// acquire passes an importer's wish on to the exporter that it names.
func (l *Loop) acquire(importer int, p *parcel.Parcel) {
	p.Close() // none belongs to it
	waiting := 0
	for _, r := range l.requests {
		if r.importer.channel == importer {
			waiting++
		}
	}
	exporter := p.Channel
	if waiting >= parcel.MaxPending || exporter >= len(l.channels) ||
		l.channels[exporter].executor == nil || l.channels[exporter].state != window.HostReady ||
		l.channels[exporter].generation != p.Generation {
		l.deliver(l.party(importer), parcel.Parcel{ID: p.ID, Result: resultStale})
		return
	}
	l.requested++
	l.requests[l.requested] = request{id: p.ID, importer: l.party(importer), exporter: l.party(exporter)}
	l.channels[exporter].executor.Export(parcel.Parcel{ID: l.requested, Channel: importer, Secret: p.Secret})
}

// exported passes an exporter's answer on to the importer.
func (l *Loop) exported(exporter int, p *parcel.Parcel) {
	r, known := l.requests[p.ID]
	if !known || r.exporter != l.party(exporter) {
		l.logChannel(exporter).Warnf("executor answered request %d, which nobody made", p.ID)
		p.Close()
		return
	}
	delete(l.requests, p.ID)
	answer := *p
	answer.ID, answer.Channel, answer.Secret = r.id, exporter, ""
	l.deliver(r.importer, answer)
}

// deliver gives an importer its answer; nobody else ever sees it. What the
// exporter has counted for an importer that is gone is taken back.
func (l *Loop) deliver(importer party, p parcel.Parcel) {
	if !l.present(importer) {
		p.Close()
		if p.Share != nil && l.channels[importer.channel].executor == nil {
			l.Account.Drop(*p.Share, importer.channel)
		}
		return
	}
	l.channels[importer.channel].executor.Acquired(p)
}

// abandon ends the requests of an executor that is gone.
func (l *Loop) abandon(gone party) {
	for number, r := range l.requests {
		if r.importer != gone && r.exporter != gone {
			continue
		}
		delete(l.requests, number)
		l.deliver(r.importer, parcel.Parcel{ID: r.id, Result: resultStale})
	}
}

var _ Executor = (*supervisor.Executor)(nil)
