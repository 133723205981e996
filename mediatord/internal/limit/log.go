package limit

import (
	"io"
	"time"

	"github.com/sirupsen/logrus"
)

// Lines a guest can cause: a short burst, then one per second and domain.
const (
	linesPerSecond = 1
	lineBurst      = 10
)

// limitedOutput keeps a logger's lines within a bucket, whatever a guest does.
type limitedOutput struct {
	inner  logrus.FieldLogger
	bucket *Bucket
}

// Logger returns a logger that passes lines on to inner within the limit of
// one domain: a burst of 10, then one per second; the next line that gets
// through says how many did not. Lines below inner's level cost nothing.
func Logger(inner logrus.FieldLogger) *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(levelOf(inner))
	l.AddHook(&limitedOutput{inner: inner, bucket: NewBucket(linesPerSecond, lineBurst)})
	return l
}

func levelOf(l logrus.FieldLogger) logrus.Level {
	switch l := l.(type) {
	case *logrus.Logger:
		return l.GetLevel()
	case *logrus.Entry:
		return l.Logger.GetLevel()
	}
	return logrus.InfoLevel
}

// Levels makes the hook see every line.
func (*limitedOutput) Levels() []logrus.Level { return logrus.AllLevels }

// Fire passes a line on or counts it.
func (h *limitedOutput) Fire(e *logrus.Entry) error {
	ok, missed := h.bucket.Take(time.Now())
	if !ok {
		return nil
	}
	out := h.inner.WithFields(e.Data)
	if missed > 0 {
		out = out.WithField("suppressed", missed)
	}
	out.Log(e.Level, e.Message)
	return nil
}
