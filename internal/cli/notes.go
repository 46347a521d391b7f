package cli

import (
	"io"
	"strings"

	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// notes prints each line that is written to it as a note.
type notes struct{ console *ui.Console }

// Write implements io.Writer.
func (n notes) Write(text []byte) (int, error) {
	n.console.Note("%s", strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

// notes is where a run's notes go: into the progress where a program reads it, or else between its lines.
func (o *buildOptions) notes(console *ui.Console) io.Writer {
	if o.progress == "json" {
		return builder.ProgressNotes(console.Err)
	}
	return notes{console}
}
