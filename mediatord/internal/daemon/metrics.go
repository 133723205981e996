package daemon

import (
	"context"
	"sync"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/metrics"
)

// serveMetrics serves where the command line says until ctx ends; Wait of the
// result returns after that.
func (o options) serveMetrics(ctx context.Context, source metrics.Source, telemetry metrics.Telemetry, version string, log logrus.FieldLogger) (*sync.WaitGroup, error) {
	var serving sync.WaitGroup
	if len(o.metrics) == 0 {
		return &serving, nil
	}
	registry, err := metrics.NewRegistry(source, telemetry, version)
	if err != nil {
		return nil, err
	}
	for _, address := range o.metrics {
		listener, err := metrics.Listen(address)
		if err != nil {
			return nil, err
		}
		serving.Go(func() {
			if err := metrics.Serve(ctx, listener, registry, log); err != nil {
				log.WithError(err).Error("metrics are not served any more")
			}
		})
		log.WithField("address", listener.Addr()).Info("serving metrics")
	}
	return &serving, nil
}
