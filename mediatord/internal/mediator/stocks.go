package mediator

import (
	"sync"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/sandbox"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/supervisor"
)

// stocks are the warm executors of every GPU of every pool that wants some.
type stocks struct {
	log logrus.FieldLogger

	mu  sync.Mutex // guards all
	all map[stockKey]*supervisor.Stock
}

type stockKey struct{ pool, gpu string }

func newStocks(log logrus.FieldLogger) stocks {
	return stocks{log: log, all: map[stockKey]*supervisor.Stock{}}
}

// of is the stock of one GPU of a pool, nil if the pool wants none.
func (s *stocks) of(p *pool.Pool, d *pool.Device, settings supervisor.Settings) *supervisor.Stock {
	if p.Warm == 0 {
		return nil
	}
	key := stockKey{p.Name, d.Argument}
	s.mu.Lock()
	defer s.mu.Unlock()
	stock := s.all[key]
	if stock == nil {
		settings.GPU = d.Argument
		size := p.Warm
		if p.Walls == sandbox.Required || p.Walls == sandbox.Trial {
			// A process that does not know its domain yet needs all domains' caches.
			size = 0
		}
		stock = supervisor.NewStock(settings, size, s.log.WithFields(logrus.Fields{"pool": p.Name, "gpu": d.Name}))
		s.all[key] = stock
	}
	return stock
}

func (s *stocks) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stock := range s.all {
		stock.Close()
	}
}
