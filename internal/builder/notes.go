package builder

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/moby/buildkit/client"
)

// progressNotes shows notes in the stream of progress that the mode json prints.
type progressNotes struct{ out io.Writer }

// ProgressNotes takes notes where progress is printed as JSON: each line becomes a warning of BuildKit's progress, so that
// a program that reads the stream finds nothing else in it.
func ProgressNotes(out io.Writer) io.Writer { return progressNotes{out} }

// Write implements io.Writer.
func (n progressNotes) Write(line []byte) (int, error) {
	text := strings.TrimRight(string(line), "\n")
	status := client.SolveStatus{Warnings: []*client.VertexWarning{{Level: 1, Short: []byte(text)}}}
	return len(line), json.NewEncoder(n.out).Encode(status)
}
