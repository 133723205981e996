package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// statusPeriod is how often the service manager's status line is brought up to
// date, and the least often that the loops are asked whether they live.
const statusPeriod = 10 * time.Second

// alive is what serviceLoop wants of the mediator.
type alive interface {
	Summary() string
	Ping(ctx context.Context) error
}

// serviceLoop tells the service manager that mediatord lives, as long as every
// loop comes round, and what it serves, until ctx ends.
func serviceLoop(ctx context.Context, m alive, log logrus.FieldLogger) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return
	}
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.WithError(err).Warn("the service manager's watchdog is not served")
	}
	period := statusPeriod
	if limit > 0 {
		period = min(period, limit/3)
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	last := ""
	for {
		state := ""
		pingCtx, cancel := context.WithTimeout(ctx, period)
		switch err := m.Ping(pingCtx); {
		case ctx.Err() != nil:
		case err != nil:
			log.WithError(err).Error("a part of mediatord hangs")
		case limit > 0:
			state = daemon.SdNotifyWatchdog
		}
		cancel()
		if status := m.Summary(); status != last {
			last = status
			state = fmt.Sprintf("STATUS=%s\n%s", status, state)
		}
		if state != "" {
			notify(log, state)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// notify tells systemd, if it started us.
func notify(log logrus.FieldLogger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Warn("notifying systemd failed")
	}
}
