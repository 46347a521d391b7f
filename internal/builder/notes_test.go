package builder

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
)

// A program that reads the progress reads a note as a warning between the steps.
func TestNotesAreProgress(t *testing.T) {
	var out strings.Builder
	config := Config{Notes: ProgressNotes(&out)}
	config.note("deleted %s of build cache", "82.9 MB")
	config.note("waiting for process %s", "7")
	decoder := json.NewDecoder(strings.NewReader(out.String()))
	decoder.DisallowUnknownFields()
	for _, want := range []string{"deleted 82.9 MB of build cache", "waiting for process 7"} {
		var status client.SolveStatus
		if err := decoder.Decode(&status); err != nil {
			t.Fatalf("%v in %q", err, out.String())
		}
		if len(status.Warnings) != 1 || string(status.Warnings[0].Short) != want {
			t.Errorf("read %v of %q, want the warning %q", status.Warnings, out.String(), want)
		}
	}
	if decoder.More() {
		t.Errorf("%q has more than two notes", out.String())
	}
}
