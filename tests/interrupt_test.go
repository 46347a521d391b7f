package tests

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// startCompiling starts a bake that runs every step, and returns once a container compiles kernels.
func (tr *tree) startCompiling() *exec.Cmd {
	tr.t.Helper()
	// New to the state, which would hold the kernels if an earlier run had come to their end.
	tr.append("csrc/device/mma/attention_fp16_sm75.cu", "// "+rand.Text()+"\n")
	cmd := tr.command("bake", "--progress", "plain")
	said, err := cmd.StderrPipe()
	if err != nil {
		tr.t.Fatal(err)
	}
	cmd.Stdout = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		tr.t.Fatal(err)
	}
	ended := make(chan struct{})
	compiling := make(chan struct{})
	go watch(said, compiling, ended)
	for {
		select {
		case <-ended:
			tr.t.Fatalf("sagebuild ended before it compiled: %v", cmd.Wait())
		case <-compiling:
			if len(tr.containers()) > 0 {
				return cmd
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// watch reads the progress to its end; compiling closes with the first line about a compiling step.
func watch(said io.Reader, compiling, ended chan struct{}) {
	defer close(ended)
	var once sync.Once
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "build_backend compile") {
			once.Do(func() { close(compiling) })
		}
	}
}

func (tr *tree) containers() []string {
	found, err := filepath.Glob(filepath.Join(tr.state, "buildkit", "runc-*", "executor", "*", "config.json"))
	if err != nil {
		tr.t.Fatal(err)
	}
	return found
}

func TestInterruptLeavesNothing(t *testing.T) {
	tr := newTree(t)
	cmd := tr.startCompiling()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if said := cmd.Stdout.(*bytes.Buffer).String(); !strings.Contains(said, `"interrupted; nothing was left behind"`) {
		t.Errorf("it says %s", said)
	}
	tr.expectClean()
	if _, err := os.Stat(tr.dist); !os.IsNotExist(err) {
		t.Errorf("dist/ was made and left: %v", err)
	}
}

func TestKilledRunIsSweptByTheNext(t *testing.T) {
	tr := newTree(t)
	cmd := tr.startCompiling()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if len(tr.containers()) == 0 {
		t.Fatal("the killed run left no container: there is nothing to sweep")
	}
	tr.copy("csrc") // the sources as they were, whose kernels are in the cache
	tr.run(0, "bake")
	tr.expectClean()
	tr.readWheel()
}
