package builder

import (
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel"
)

const maxLogSize = 4 << 20

// redirectLogs sends the log lines of BuildKit's libraries, which write to one global logger and now and then to Go's own,
// to the file engine.log in dir, or nowhere when dir is empty: the terminal belongs to the progress display, and so does
// a pipe to a program that reads progress as JSON.
func redirectLogs(dir string) (io.Closer, error) {
	// Go's telemetry library reports lost spans to the terminal otherwise.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logrus.Debug(err) }))
	if dir == "" {
		setLogs(io.Discard)
		return io.NopCloser(nil), nil
	}
	path := filepath.Join(dir, "engine.log")
	if info, err := os.Stat(path); err == nil && info.Size() > maxLogSize {
		if err := os.Truncate(path, 0); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	setLogs(file)
	return logFile{file}, nil
}

func setLogs(w io.Writer) {
	logrus.SetOutput(w)
	log.SetOutput(w)
}

type logFile struct{ *os.File }

// Close stops the logging before it closes the file: libraries may log later.
func (f logFile) Close() error {
	setLogs(io.Discard)
	return f.File.Close()
}
