package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
)

// ErrAddress: an address that metrics are not served on.
var ErrAddress = errors.New("invalid metrics address")

// Bounds on what a caller may cause.
const (
	answerWithin  = 10 * time.Second
	callersAtOnce = 4
)

// Listen opens "unix:/path" or "127.0.0.1:port". A socket that a process left
// behind is replaced; everyone may connect to it, since the message bus shows the
// same to everyone. Metrics go to loopback addresses only: they name domains, and
// ask for no password.
func Listen(address string) (net.Listener, error) {
	path, isPath := strings.CutPrefix(address, "unix:")
	if !isPath {
		where, err := netip.ParseAddrPort(address)
		if err != nil || !where.Addr().IsLoopback() {
			return nil, fmt.Errorf("%w %q: allowed are unix:/PATH, 127.0.0.1:PORT and [::1]:PORT; put a proxy with authentication before it to serve others", ErrAddress, address)
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening for metrics: %w", err)
		}
		return listener, nil
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("%w %q: the path must be absolute", ErrAddress, address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path) // Listen says what is wrong
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("listening for metrics: %w", err)
	}
	return listener, nil
}

// Serve answers GET /metrics on the listener until ctx ends, and closes it.
func Serve(ctx context.Context, listener net.Listener, registry *prometheus.Registry, log logrus.FieldLogger) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: log, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: callersAtOnce, Timeout: answerWithin,
	}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: answerWithin, WriteTimeout: 2 * answerWithin, IdleTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
