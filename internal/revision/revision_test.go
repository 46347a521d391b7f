package revision

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func TestRevisions(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other.git")
	if out, err := Git(t.Context(), ".", "init", "--quiet", "--bare", other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("GIT_DIR", other) // as in a hook of git
	run := func(args ...string) {
		t.Helper()
		command := Git(t.Context(), dir, append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := Of(t.Context(), dir); got != "" {
		t.Errorf("outside of a repository: %q", got)
	}
	run("init", "--quiet")
	if got := Remote(t.Context(), dir); got != "" {
		t.Errorf("a repository of nobody else is at %q", got)
	}
	run("remote", "add", "origin", "https://git.example/repository")
	if got := Remote(t.Context(), dir); got != "https://git.example/repository" {
		t.Errorf("the repository is at %q", got)
	}
	write("one")
	run("add", "a.txt")
	run("commit", "--quiet", "-m", "one")
	run("tag", "v1")
	first := Of(t.Context(), dir)
	if got, err := Resolve(t.Context(), dir, "v1"); err != nil || got != first || len(first) != 40 {
		t.Errorf("v1 is %q, %v; the tree is at %q", got, err, first)
	}
	write("two")
	if got := Of(t.Context(), dir); got != first+Dirty {
		t.Errorf("a changed file: %q", got)
	}
	run("commit", "--quiet", "-am", "two")
	to := t.TempDir()
	if err := Export(t.Context(), dir, first, to); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(to, "a.txt")); err != nil || string(text) != "one" {
		t.Errorf("exported %q, %v", text, err)
	}
	for _, name := range []string{"v9", "--all", ""} {
		if _, err := Resolve(t.Context(), dir, name); diag.ClassOf(err) != diag.Usage {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := Export(t.Context(), dir, "0000000000000000000000000000000000000000", t.TempDir()); err == nil {
		t.Error("an unknown commit was exported")
	}
}
