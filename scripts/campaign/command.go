package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// outcome is how a command ended, and all that it said.
type outcome struct {
	code int // -1 where it was killed
	said string
}

// running is a bake that may be attacked.
type running struct {
	cmd  *exec.Cmd
	said bytes.Buffer
}

// start begins a bake of the default wheel. The environment is this process's, with these variables.
func (w *world) start(state, dist string, env ...string) *running {
	r := &running{cmd: exec.Command(w.sagebuild, "bake", "default", "--progress", "plain",
		"--state", state, "--dist", dist, "--source", w.path("source"))}
	r.cmd.Env = append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = &r.said, &r.said
	r.cmd.WaitDelay = 10 * time.Second
	if err := r.cmd.Start(); err != nil {
		panic(err)
	}
	return r
}

func (r *running) wait() outcome {
	_ = r.cmd.Wait()
	return outcome{r.cmd.ProcessState.ExitCode(), r.said.String()}
}

// kill is kill -9 after a time, unless the command ended before.
func (r *running) kill(after time.Duration) outcome {
	timer := time.AfterFunc(after, func() { _ = r.cmd.Process.Kill() })
	defer timer.Stop()
	return r.wait()
}

// waitAtMost interrupts a command that takes longer, as a person would.
func (r *running) waitAtMost(limit time.Duration) outcome {
	timer := time.AfterFunc(limit, func() { _ = r.cmd.Process.Signal(syscall.SIGINT) })
	defer timer.Stop()
	return r.wait()
}

// bake is a bake that nothing attacks.
func (w *world) bake(state, dist string, env ...string) outcome {
	return w.start(state, dist, env...).wait()
}

// String is how the command ended, with its reason, for tables.
func (o outcome) String() string {
	switch {
	case o.code == 0:
		return "done"
	case o.code < 0:
		return "killed"
	case o.code == 130:
		return "rebuilding, interrupted"
	}
	return fmt.Sprintf("exit code %d: %s", o.code, place.ReplaceAllString(o.reason(), "…"))
}

// place is what differs from trial to trial in a message: paths, hashes, identifiers and numbers of bytes.
var place = regexp.MustCompile(`/[^\s:;,)]+|(sha256:)?[0-9a-f]{12,}|\b[a-z0-9]{25}\b|\b[0-9]+\b`)

// first is the rest of the first line with this word.
func (o outcome) first(word string) string {
	for line := range strings.SplitSeq(o.said, "\n") {
		if _, after, found := strings.Cut(line, "sagebuild: "+word+" "); found {
			return after
		}
	}
	return ""
}

// failure is what the table of a run is followed by, for each cause: targets and a message.
var failure = regexp.MustCompile(`(?m)^linux-sage2-[^ ]+: (.+)$`)

// reason is why the command failed: its error, or the one that the table of its targets tells.
func (o outcome) reason() string {
	message := o.first("error:")
	if told := failure.FindStringSubmatch(o.said); told != nil && strings.Contains(message, "see the results above") {
		return told[1]
	}
	return message
}

// compiled says whether the run compiled kernels: a step that was not in the cache.
func (o outcome) compiled() bool {
	for _, match := range compileStep.FindAllStringSubmatch(o.said, -1) {
		if strings.Contains(o.said, "\n"+match[1]+" DONE") && !strings.Contains(o.said, "\n"+match[1]+" CACHED") {
			return true
		}
	}
	return false
}

var compileStep = regexp.MustCompile(`(?m)^(#\d+) \[.*build_backend compile`)
