package run

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/sums"
)

// warm is a source tree with a wheel in dist/ that a bake has recorded, and no builder: whoever asks for one fails.
type warm struct {
	*testing.T
	source, dist, state, noBuilder string
	change                         func(*Run) // of each run, before it bakes
}

func newWarm(t *testing.T) *warm {
	w := &warm{T: t, source: t.TempDir(), dist: t.TempDir(), state: t.TempDir(), change: func(*Run) {}}
	w.noBuilder = "unix://" + filepath.Join(w.state, "no.sock")
	r := w.run(bake.PlanOptions{Locked: true})
	for _, path := range r.Plan.Targets[0].Sources() {
		copyTree(t, filepath.Join(source, path), filepath.Join(w.source, path))
	}
	copyTree(t, filepath.Join(source, ".dockerignore"), filepath.Join(w.source, ".dockerignore"))
	w.publish(r)
	return w
}

func (w *warm) run(options bake.PlanOptions) *Run {
	w.Helper()
	r := planned(w.T, "default", options)
	r.Options.Source, r.Options.Dist, r.Options.State, r.Options.Builder = w.source, w.dist, w.state, w.noBuilder
	r.Options.Progress, r.Options.Out = "quiet", &strings.Builder{}
	return r
}

// publish does what a bake does once its builder has made a wheel, which is none here.
func (w *warm) publish(r *Run) {
	w.Helper()
	target := r.Plan.Targets[0]
	known := w.records(r)
	staging, err := newStaging(w.dist)
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(staging.dir, target.Wheel)
	writeFile(w.T, path, "a wheel")
	writeFile(w.T, provenance.StatementFile(path), "a statement")
	_, files, err := staging.publishWheel(path)
	if err != nil {
		w.Fatal(err)
	}
	if err := known.write(target, files); err != nil {
		w.Fatal(err)
	}
	if err := staging.close(); err != nil {
		w.Fatal(err)
	}
}

func (w *warm) records(r *Run) *records {
	w.Helper()
	if err := r.begin(context.Background()); err != nil {
		w.Fatal(err)
	}
	known, err := r.openRecords()
	if err != nil {
		w.Fatal(err)
	}
	return known
}

// isUpToDate bakes. A run that wants its builder fails, and leaves everything as it was.
func (w *warm) isUpToDate() bool {
	w.Helper()
	r := w.run(bake.PlanOptions{Locked: true})
	w.change(r)
	results, err := r.Bake(context.Background())
	if errors.Is(err, diag.Environment) {
		return false
	}
	if err != nil || len(results) != 1 || results[0].Row.Outcome != report.UpToDate {
		w.Fatalf("results %+v, error %v", results, err)
	}
	return true
}

// with makes a change to a file, looks at what a bake does then, and restores the file.
func (w *warm) with(path string, change func(text []byte) []byte) bool {
	w.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		w.Fatal(err)
	}
	if after := change(slices.Clone(before)); after == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, after, 0o644)
	}
	if err != nil {
		w.Fatal(err)
	}
	defer writeFile(w.T, path, string(before))
	return w.isUpToDate()
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err == nil && info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), exec.Command("cp", from, to).Run())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flipLast(text []byte) []byte { text[len(text)-1] ^= 1; return text }
func cutLast(text []byte) []byte  { return text[:len(text)-1] }
func remove([]byte) []byte        { return nil }
func same(text []byte) []byte     { return text }

func TestWheelThatIsUpToDate(t *testing.T) {
	w := newWarm(t)
	r := w.run(bake.PlanOptions{Locked: true})
	results, err := r.Bake(context.Background())
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	row, target := results[0].Row, r.Plan.Targets[0]
	if row.Outcome != report.UpToDate || row.Size != int64(len("a wheel")) || filepath.Base(row.Wheel) != target.Wheel || len(row.SMs) != len(target.SMs) || row.Seconds != 0 {
		t.Errorf("%+v", row)
	}
	if freed, err := Forget(w.state); err != nil || freed == 0 || w.isUpToDate() {
		t.Errorf("freed %d bytes (%v), and the wheel is up to date without a record", freed, err)
	}
}

// What is in dist/ is looked at each time, whatever was recorded of it.
func TestWheelsThatChangedInDist(t *testing.T) {
	w := newWarm(t)
	name := w.run(bake.PlanOptions{}).Plan.Targets[0].Wheel
	for _, file := range []string{name, provenance.StatementFile(name), sums.File} {
		for what, change := range map[string]func([]byte) []byte{"flipped": flipLast, "cut": cutLast, "removed": remove, "emptied": func([]byte) []byte { return []byte{} }} {
			if file == sums.File && what != "removed" && what != "emptied" { // its last byte is the end of a line
				change = func(text []byte) []byte { text[10] ^= 1; return text }
			}
			if w.with(filepath.Join(w.dist, file), change) {
				t.Errorf("%s %s, and the wheel is up to date", file, what)
			}
		}
	}
	if !w.isUpToDate() {
		t.Error("everything is as it was, and the wheel is not up to date")
	}
	w.dist = t.TempDir()
	if w.isUpToDate() {
		t.Error("a wheel is up to date in a dist/ that does not hold it")
	}
}

// No damage of a record makes a wheel up to date that is not: whatever the damage leaves must still be true.
func TestDamagedRecordsAreIgnored(t *testing.T) {
	w := newWarm(t)
	r := w.run(bake.PlanOptions{Locked: true})
	known, target := w.records(r), r.Plan.Targets[0]
	good, err := os.ReadFile(known.path(target))
	if err != nil {
		t.Fatal(err)
	}
	for at := range good {
		bad := slices.Clone(good)
		bad[at] ^= 1 << (at % 8)
		writeFile(t, known.path(target), string(bad))
		if _, ok := known.upToDate(target); ok {
			t.Errorf("a bit of byte %d is flipped, and the wheel is up to date", at)
		}
		writeFile(t, known.path(target), string(good[:at]))
		if _, ok := known.upToDate(target); ok && at < len(good)-1 {
			t.Errorf("%d bytes of the record are left, and the wheel is up to date", at)
		}
	}
	for _, foreign := range []string{"{}", "inputs", strings.Repeat("0", 64) + "  inputs\n"} {
		writeFile(t, known.path(target), foreign)
		if _, ok := known.upToDate(target); ok {
			t.Errorf("%q is no record, and the wheel is up to date", foreign)
		}
	}
	writeFile(t, known.path(target), string(good))
	writeFile(t, filepath.Join(known.dir, ".new-1"), "left by a killed run")
	if _, ok := known.upToDate(target); !ok {
		t.Error("the record is as it was, and the wheel is not up to date")
	}
}

// A record that cannot be kept is told once; the wheel is there.
func TestRecordsThatCannotBeKept(t *testing.T) {
	w := newWarm(t)
	if _, err := Forget(w.state); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(w.state, recordsDir), "no directory")
	r := w.run(bake.PlanOptions{Locked: true})
	var said strings.Builder
	r.Options.Notes = &said
	known := w.records(r)
	for range 2 {
		known.keep(r.Plan.Targets[0], sums.List{})
	}
	if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), recordsDir) {
		t.Errorf("it says %q", said.String())
	}
	if w.isUpToDate() {
		t.Error("the wheel is up to date without a record")
	}
}

// Results stay in the order of the plan, and only what is not up to date is built.
func TestSomeAreUpToDate(t *testing.T) {
	r := planned(t, "sage2-all", bake.PlanOptions{})
	found := make([]*Result, len(r.Plan.Targets))
	for _, i := range []int{0, 3, 9} {
		result := newResult(r.Plan.Targets[i])
		result.Row.Outcome = report.UpToDate
		found[i] = &result
	}
	rest := r.without(found)
	if len(rest.Plan.Targets) != 7 || len(r.Plan.Targets) != 10 {
		t.Fatalf("%d of %d targets are built", len(rest.Plan.Targets), len(r.Plan.Targets))
	}
	var built []Result
	for _, target := range rest.Plan.Targets {
		built = append(built, newResult(target))
	}
	for i, result := range merge(found, built) {
		if result.Target.Name != r.Plan.Targets[i].Name || (result.Row.Outcome == report.UpToDate) != (found[i] != nil) {
			t.Errorf("result %d is %+v", i, result.Row)
		}
	}
}
