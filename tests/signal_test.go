package tests

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A definition may be a pipe, for which one signal ends the wait.
func TestSignalEndsTheReadingOfAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sagebuild", "matrix", "--matrix", path)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || said.String() != "sagebuild: error: interrupted\n" {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}

// Ctrl-C, kill and a closed terminal end a run in the same way: in order, with exit code 130, and without what it made.
func TestSignalsInterrupt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the embedded BuildKit needs root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("no runc")
	}
	state := t.TempDir()
	held, err := hold(filepath.Join(state, "buildkit", "lock")) // as another run would
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Unlock() }()
	for _, kind := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if signal.Ignored(kind) {
			continue // as nohup wants of everything below it, and so the program ignores it too
		}
		dist := filepath.Join(t.TempDir(), "dist")
		cmd := exec.Command("sagebuild", "bake", "--wait", "--source", "..", "--state", state, "--dist", dist)
		said, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(said)
		for lines.Scan() && !strings.Contains(lines.Text(), "waiting for process") {
		}
		if err := cmd.Process.Signal(kind); err != nil {
			t.Fatal(err)
		}
		var last string
		for lines.Scan() {
			last = lines.Text()
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(last, "interrupted") {
			t.Errorf("%s: exit code %d, and the last line is %q; want 130, and that it was interrupted", kind, code, last)
		}
		if left, err := os.ReadDir(dist); err == nil {
			t.Errorf("%s: left %v", kind, left)
		}
	}
}
