package run

import (
	"context"
	"errors"
	"io/fs"
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
	files, err := hashWheel(path)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := staging.publishWheel(path); err != nil {
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

// Whoever edits a file that the wheel's stages copy gets another wheel, and the same one again after taking the edit back.
func TestEditedSourcesAreBuiltAgain(t *testing.T) {
	w := newWarm(t)
	for _, path := range w.run(bake.PlanOptions{}).Plan.Targets[0].Sources() {
		root := filepath.Join(w.source, path)
		var last string
		if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !strings.Contains(path, "__pycache__") && !strings.Contains(path, "/lib/") {
				last = path
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if w.with(last, func(text []byte) []byte { return append(text, '\n') }) {
			t.Errorf("%s was edited, and the wheel is up to date", last)
		}
		if !w.with(last, same) {
			t.Errorf("%s was only touched, and the wheel is not up to date", last)
		}
	}
	added := filepath.Join(w.source, "python", "sageattention", "added.py")
	writeFile(t, added, "")
	if w.isUpToDate() {
		t.Error("a module was added, and the wheel is up to date")
	}
	if err := os.Remove(added); err != nil {
		t.Fatal(err)
	}
	ignored := filepath.Join(w.source, "python", "sageattention", "__pycache__", "core.cpython-313.pyc")
	if err := os.MkdirAll(filepath.Dir(ignored), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, ignored, "bytecode")
	writeFile(t, filepath.Join(w.source, "README.md"), "of the repository")
	if !w.isUpToDate() {
		t.Error("files that no stage copies were added, and the wheel is not up to date")
	}
}

// Every file of every source decides the hash, down to its name and to where a link leads.
func TestSumsOfSources(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), "a")
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o755), os.Symlink("../a", filepath.Join(dir, "sub", "link"))); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	look := func(what string) {
		t.Helper()
		s, err := newSources(dir)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := s.sum(".")
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[sum]; ok {
			t.Errorf("%s: the sum is that of %s", what, other)
		}
		seen[sum] = what
	}
	look("the beginning")
	writeFile(t, filepath.Join(dir, "a"), "b")
	look("another text")
	writeFile(t, filepath.Join(dir, "b"), "")
	look("another file")
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	look("another name")
	if err := errors.Join(os.Remove(filepath.Join(dir, "sub", "link")), os.Symlink("../b", filepath.Join(dir, "sub", "link"))); err != nil {
		t.Fatal(err)
	}
	look("another link")
	if s, _ := newSources(dir); s != nil {
		if _, err := s.sum("sub/link"); err == nil {
			t.Error("a link has a sum, which would not change with the file behind it")
		}
	}
}

func TestMalformedIgnoreFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, ".dockerignore"), "[\n")
	if _, err := newSources(dir); !errors.Is(err, diag.Usage) || !strings.Contains(err.Error(), ".dockerignore") {
		t.Errorf("error %v", err)
	}
}

// What decides a wheel besides its sources: the plan, what is checked, the program, the commit, who builds.
func TestOtherInputsAreBuiltAgain(t *testing.T) {
	w := newWarm(t)
	for what, change := range map[string]func(*Run){
		"another time":    func(r *Run) { r.Plan.Targets[0].Args[bake.WheelEpoch] = "1700000000" },
		"another builder": func(r *Run) { r.Options.Builder += ".other" },
		"another export":  func(r *Run) { r.Project.Kernels.Exports = append(r.Project.Kernels.Exports, "one_more") },
		"no cache":        func(r *Run) { r.Options.NoCache = true },
		"a cache to fill": func(r *Run) { r.Options.CacheTo = []string{"type=local,dest=/cache"} },
		"an image": func(r *Run) {
			r.Plan.Targets[0].Contexts[bake.ContextBase] = bake.Context{Reference: "docker-image://debian:12"}
		},
		"parts":               func(r *Run) { r.Plan.Targets[0].Contexts["host"] = bake.Context{Reference: t.TempDir()} },
		"another source tree": func(r *Run) { r.Options.Source = source },
	} {
		if w.change = change; w.isUpToDate() {
			t.Errorf("%s, and the wheel is up to date", what)
		}
	}
	w.change = func(r *Run) { r.Options.CacheFrom, r.Options.Jobs = []string{"type=local,src=/cache"}, 1 }
	if !w.isUpToDate() {
		t.Error("a cache to import decides nothing about a wheel that is there")
	}
	r := w.run(bake.PlanOptions{Locked: true})
	known := w.records(r)
	for i := range known.shared {
		known.shared[i] += "other"
		if hash, err := known.inputsOf(r.Plan.Targets[0]); err != nil || hash == known.inputs[r.Plan.Targets[0].Name] {
			t.Errorf("fact %d of program, commit and builder decides nothing (%v)", i, err)
		}
		known.shared[i] = strings.TrimSuffix(known.shared[i], "other")
	}
}

// A commit is named in the provenance: a wheel of another one, or of a tree with changes, is built again.
func TestCommitsAreBuiltAgain(t *testing.T) {
	w := newWarm(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", w.source, "-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "--quiet")
	git("add", ".")
	git("commit", "--quiet", "--message", "all")
	if w.isUpToDate() {
		t.Error("the tree became a commit, and the wheel is up to date")
	}
	w.publish(w.run(bake.PlanOptions{Locked: true}))
	if !w.isUpToDate() {
		t.Error("nothing changed, and the wheel is not up to date")
	}
	writeFile(t, filepath.Join(w.source, "notes"), "of nobody")
	if w.isUpToDate() {
		t.Error("the tree has changes to its commit, and the wheel is up to date")
	}
}

// Of an image that may be another one tomorrow nothing is recorded; one by its digest is what it is.
func TestImagesThatMayChange(t *testing.T) {
	w := newWarm(t)
	for image, want := range map[string]bool{"debian:12": false, "debian@sha256:" + strings.Repeat("a", 64): true, "oci-layout:///base": false} {
		options := bake.PlanOptions{Locked: true, BaseImage: image}
		w.publish(w.run(options))
		w.change = func(r *Run) { r.Plan = w.run(options).Plan }
		if got := w.isUpToDate(); got != want {
			t.Errorf("a wheel on %s is up to date: %v, want %v", image, got, want)
		}
	}
}

// A wheel whose sources were touched while it was made is not recorded, whatever they are afterwards: nobody knows what
// the builder has read.
func TestSourcesThatAreTouchedMeanwhile(t *testing.T) {
	w := newWarm(t)
	r := w.run(bake.PlanOptions{Locked: true})
	known, target := w.records(r), r.Plan.Targets[0]
	if _, err := Forget(w.state); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.source, "python", "sageattention", "core.py")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "raise SystemExit")
	writeFile(t, path, string(text))
	files, err := hashWheel(known.wheel(target))
	if err != nil {
		t.Fatal(err)
	}
	if err := known.write(target, files); err != nil || w.isUpToDate() {
		t.Errorf("a source was edited and edited back (%v), and the wheel is up to date", err)
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
