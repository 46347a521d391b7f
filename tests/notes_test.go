package tests

import (
	"bufio"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotesOfARun lets a bake wait for the state directory: in progress as JSON, the note that says so is JSON too.
func TestNotesOfARun(t *testing.T) {
	tr := newTree(t)
	held, err := hold(filepath.Join(tr.state, "buildkit", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := tr.command("bake", "--wait")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	events := bufio.NewReader(said)
	first, err := events.ReadString('\n')
	if unlock := held.Unlock(); err != nil || unlock != nil {
		t.Fatal(err, unlock)
	}
	var status struct{ Warnings []struct{ Short []byte } }
	if err := json.Unmarshal([]byte(first), &status); err != nil {
		t.Errorf("%v: %q", err, first)
	} else if len(status.Warnings) != 1 || !strings.HasPrefix(string(status.Warnings[0].Short), "waiting for process") {
		t.Errorf("said %q first, want that it waits", first)
	}
	rest, err := io.ReadAll(events)
	if err != nil {
		t.Fatal(err)
	}
	ran(t, string(rest))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, lastLines(string(rest)))
	}
}
