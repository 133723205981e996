package daemon

import (
	"fmt"
	"io"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/sirupsen/logrus"
)

// journalHook sends lines to systemd's journal with a field for each of theirs.
type journalHook struct {
	send func(message string, priority journal.Priority, fields map[string]string) error
}

// toJournal makes a logger that writes to the journal's stream speak its own
// protocol instead.
func toJournal(log *logrus.Logger) {
	if stream, err := journal.StderrIsJournalStream(); err != nil || !stream {
		return
	}
	log.AddHook(journalHook{journal.Send})
	log.SetOutput(io.Discard)
}

// Levels makes the hook see every line.
func (journalHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire sends one line. Domain, pool, channel and the like are VGPU_DOMAIN,
// VGPU_POOL, VGPU_CHANNEL; an error is part of the message too.
func (h journalHook) Fire(e *logrus.Entry) error {
	message := e.Message
	fields := map[string]string{}
	for key, value := range e.Data {
		text := fmt.Sprint(value)
		if key == logrus.ErrorKey {
			message += ": " + text
		}
		fields["VGPU_"+fieldName(key)] = text
	}
	return h.send(message, priority(e.Level), fields)
}

// fieldName writes a key as the journal wants it: upper case, digits, underscores.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

func priority(level logrus.Level) journal.Priority {
	switch level {
	case logrus.PanicLevel, logrus.FatalLevel:
		return journal.PriCrit
	case logrus.ErrorLevel:
		return journal.PriErr
	case logrus.WarnLevel:
		return journal.PriWarning
	case logrus.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}
