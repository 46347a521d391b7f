package tests

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk bakes, from the cache, into a dist directory that holds less than a wheel.
func TestFullDisk(t *testing.T) {
	tr := newTree(t)
	tr.run(0, "bake")
	tr.dist = t.TempDir()
	if err := syscall.Mount("tmpfs", tr.dist, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(tr.dist, 0); err != nil {
			t.Error(err)
		}
	}()
	said := fails(t, 3, tr.command("bake", "--progress", "quiet"))
	if !strings.Contains(said, "the disk of "+tr.dist) || !strings.Contains(said, "sagebuild: hint: ") {
		t.Errorf("a full disk: %s", said)
	}
	entries, err := os.ReadDir(tr.dist)
	if err != nil || len(entries) > 0 {
		t.Errorf("left in dist: %v, %v", entries, err)
	}
}

// TestNoNetwork bakes with an empty state directory in a network namespace without any interface that is up.
func TestNoNetwork(t *testing.T) {
	tr := newTree(t)
	tr.state = t.TempDir()
	cmd := tr.command("bake", "--progress", "quiet")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	said := fails(t, 3, cmd)
	if !strings.Contains(said, "sagebuild: hint: sagebuild doctor") || strings.Contains(said, "goroutine") {
		t.Errorf("no network: %s", said)
	}
	if lines := strings.Count(said, "sagebuild: error: "); lines != 1 {
		t.Errorf("%d errors, want one: %s", lines, said)
	}
}

// fails wants an exit code and returns what the command said; its errors are wanted as people see them.
func fails(t *testing.T, want int, cmd *exec.Cmd) string {
	t.Helper()
	var out, said bytes.Buffer
	cmd.Args = without(cmd.Args, "--json")
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("exit code %d (%v), want %d\n%s%s", got, err, want, out.String(), said.String())
	}
	return out.String() + said.String()
}

func without(args []string, word string) []string {
	var kept []string
	for _, arg := range args {
		if arg != word {
			kept = append(kept, arg)
		}
	}
	return kept
}
