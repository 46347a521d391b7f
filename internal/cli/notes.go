package cli

import (
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// notes prints each line that is written to it as a note.
type notes struct{ console *ui.Console }

// Write implements io.Writer.
func (n notes) Write(text []byte) (int, error) {
	n.console.Note("%s", strings.TrimRight(string(text), "\n"))
	return len(text), nil
}
