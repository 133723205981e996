package mediator

import (
	"sync"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/sandbox"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/supervisor"
)

// stocks are the warm executors of every GPU of every pool; many are empty.
type stocks struct {
	log logrus.FieldLogger

	mu  sync.Mutex // guards all
	all map[stockKey]*supervisor.Stock
}

// stockKey is what warm executors cannot change any more.
type stockKey struct{ pool, gpu, backend, walls string }

func newStocks(log logrus.FieldLogger) stocks {
	return stocks{log: log, all: map[stockKey]*supervisor.Stock{}}
}

// of is the stock of one GPU of a pool.
func (s *stocks) of(p *pool.Pool, d *pool.Device, settings supervisor.Settings) *supervisor.Stock {
	settings.GPU = d.Argument
	key := stockKey{p.Name(), d.Argument, settings.Backend, settings.Walls}
	s.mu.Lock()
	defer s.mu.Unlock()
	stock := s.all[key]
	if stock == nil {
		stock = supervisor.NewStock(settings, warm(p.Config()), s.log.WithFields(logrus.Fields{"pool": p.Name(), "gpu": d.Name}))
		s.all[key] = stock
	}
	return stock
}

// warm is how many executors a pool wants on each of its GPUs.
func warm(cfg config.Pool) int {
	if cfg.Walls == sandbox.Required || cfg.Walls == sandbox.Trial {
		// A process that does not know its domain yet needs all domains' caches.
		return 0
	}
	return cfg.Warm
}

// configure gives a pool's stocks their size; those that executors are no more
// made for, on GPUs of other names, end up empty.
func (s *stocks) configure(cfg config.Pool, arguments []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[stockKey]bool{}
	for _, gpu := range arguments {
		wanted[stockKey{cfg.Name, gpu, string(cfg.Backend), string(cfg.Walls)}] = true
	}
	for key, stock := range s.all {
		switch {
		case key.pool != cfg.Name:
		case wanted[key]:
			stock.Resize(warm(cfg))
		default:
			stock.Resize(0)
		}
	}
}

func (s *stocks) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stock := range s.all {
		stock.Close()
	}
}
