package tests

import (
	"bytes"
	"crypto/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/steps"
)

// TestOnlyWhatChangedRunsAgain follows one tree through edits, and looks each time at the stages that ran.
func TestOnlyWhatChangedRunsAgain(t *testing.T) {
	tr := newTree(t)
	tr.bakeEdited("csrc/device/mma/attention_fp16_sm70.cu")
	first := tr.readWheel()
	tr.expectClean()

	tr.emptyDist() // else the wheel would be up to date
	summary, said := tr.run(0, "bake")
	if got := ran(t, said); len(got) > 0 || summary.Rows[0].Outcome != report.Cached {
		t.Errorf("nothing changed: %s, stages that ran: %v", summary.Rows[0].Outcome, got)
	}

	// The state outlives a test run, so each run's edits must be new to it.
	line := rand.Text() + "\n"

	tr.append("README.md", line)
	tr.emptyDist()
	if _, said := tr.run(0, "bake"); len(ran(t, said)) > 0 {
		t.Errorf("README changed: stages that ran: %v", ran(t, said))
	}
	if !bytes.Equal(first, tr.readWheel()) {
		t.Error("README changed: the wheel has other bytes")
	}

	tr.append("python/sageattention/__init__.py", "# "+line)
	_, said = tr.run(0, "bake")
	if got := ran(t, said); !slices.Equal(got, []string{"builder"}) {
		t.Errorf("a Python file changed: stages that ran: %v, want builder alone", got)
	}
	if bytes.Equal(first, tr.readWheel()) {
		t.Error("a Python file changed: the wheel has the same bytes")
	}

	tr.append("csrc/device/mma/attention_fp16_sm70.cu", "// "+line)
	_, said = tr.run(0, "bake")
	got := ran(t, said)
	if !slices.Contains(got, "kernels-sm70-compile") {
		t.Errorf("a kernel file of SM 7.0 changed: stages that ran: %v, want kernels-sm70-compile", got)
	}
	for _, stage := range got {
		if strings.HasPrefix(stage, "kernels-sm") && stage != "kernels-sm70-compile" || strings.HasPrefix(stage, "ptx") || strings.Contains(stage, "toolchain") || stage == "host-compile" {
			t.Errorf("a kernel file of SM 7.0 changed: %s ran", stage)
		}
	}
	tr.expectClean()
}

// TestOnlyTheWheelKnowsItsTime bakes at two times: no kernel may be compiled for the second.
func TestOnlyTheWheelKnowsItsTime(t *testing.T) {
	tr := newTree(t)
	tr.bakeEdited()
	first := tr.readWheel()
	// The state outlives a test run, so the time must be new to it: a second of this century that no other run took.
	t.Setenv("SOURCE_DATE_EPOCH", strconv.FormatInt(time.Now().Unix(), 10))
	_, said := tr.run(0, "bake")
	if got := ran(t, said); !slices.Equal(got, []string{"builder"}) {
		t.Errorf("SOURCE_DATE_EPOCH changed: stages that ran: %v, want builder alone", got)
	}
	if bytes.Equal(first, tr.readWheel()) {
		t.Error("SOURCE_DATE_EPOCH changed: the wheel has the same bytes")
	}
	tr.expectClean()
}

// TestSameBytesWithoutCache runs every step again, and wants the bytes of the first time.
func TestSameBytesWithoutCache(t *testing.T) {
	tr := newTree(t)
	tr.run(0, "bake")
	first := tr.readWheel()
	summary, said := tr.run(0, "bake", "--no-cache")
	if summary.Rows[0].Outcome != report.Built || !slices.Contains(ran(t, said), "kernels-sm75-compile") {
		t.Fatalf("--no-cache did not run the kernels again: %s, %v", summary.Rows[0].Outcome, ran(t, said))
	}
	if !bytes.Equal(first, tr.readWheel()) {
		t.Error("the same inputs gave other bytes")
	}
}

// bakeEdited bakes with edits that are new to the state, of a Python file and of these kernel files, so that whatever the
// next such edits need is in the cache. At its limit the cache may have kept a wheel and lost what the wheel was packed of,
// or kept kernels and lost their compiler, and a bake that finds the one does not miss the other.
func (tr *tree) bakeEdited(kernels ...string) {
	tr.t.Helper()
	tr.append("python/sageattention/__init__.py", "# "+rand.Text()+"\n")
	for _, name := range kernels {
		tr.append(name, "// "+rand.Text()+"\n")
	}
	tr.run(0, "bake")
}

// emptyDist lets the next bake ask the builder for its wheel.
func (tr *tree) emptyDist() {
	tr.t.Helper()
	if err := os.RemoveAll(tr.dist); err != nil {
		tr.t.Fatal(err)
	}
}

func ran(t *testing.T, said string) []string {
	t.Helper()
	stages, err := steps.Run(strings.NewReader(said))
	if err != nil {
		t.Fatalf("%v\n%s", err, lastLines(said))
	}
	return stages
}
