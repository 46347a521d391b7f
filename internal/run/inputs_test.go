package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/revision"
)

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
		cmd := revision.Git(t.Context(), w.source, append([]string{"-c", "user.name=a", "-c", "user.email=a@example.org"}, args...)...)
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
