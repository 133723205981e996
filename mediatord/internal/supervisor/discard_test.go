package supervisor

import (
	"io"

	"github.com/sirupsen/logrus"
)

func discard() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
