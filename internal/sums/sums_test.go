package sums

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// checked runs sha256sum, which judges the format as well as the hashes, and returns the listed names.
func checked(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.Command("sha256sum", "--check", "--strict", File)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Fields(strings.ReplaceAll(string(out), ": OK", ""))
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	publish := func(names ...string) {
		t.Helper()
		if _, err := Publish(dir, names...); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "foreign.whl", "not ours")
	publish(put(t, dir, ".new/b.whl", "b"))
	publish(put(t, dir, ".new/a.whl", "a"), put(t, dir, ".new/a.whl.intoto.jsonl", "{}"))
	if got := strings.Join(checked(t, dir), " "); got != "a.whl a.whl.intoto.jsonl b.whl" {
		t.Errorf("listed: %s", got)
	}
	publish(put(t, dir, ".new/b.whl", "other bytes"))
	if err := os.Remove(filepath.Join(dir, "a.whl")); err != nil {
		t.Fatal(err)
	}
	publish(put(t, dir, ".new/c.whl", "c"))
	if got := strings.Join(checked(t, dir), " "); got != "a.whl.intoto.jsonl b.whl c.whl" {
		t.Errorf("listed after one was removed: %s", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "c.whl")); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The list must never say something false: where a file cannot be moved, its old line is gone already.
func TestPublishThatFailsHalfway(t *testing.T) {
	dir := t.TempDir()
	if _, err := Publish(dir, put(t, dir, ".new/a.whl", "a"), put(t, dir, ".new/b.whl", "b")); err != nil {
		t.Fatal(err)
	}
	fresh := []string{put(t, dir, ".new/a.whl", "a2"), put(t, dir, ".new/b.whl", "b2")}
	if err := os.Remove(filepath.Join(dir, "b.whl")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "b.whl/in-the-way", "") // no file can take the place of a directory
	if _, err := Publish(dir, fresh...); err == nil {
		t.Fatal("a file took the place of a directory")
	}
	sums, err := Read(dir)
	if err != nil || len(sums) != 0 {
		t.Errorf("listed: %v, %v", sums, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".SHA*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPublishSideBySide(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	for _, name := range strings.Split("abcdefghijklmnop", "") {
		path := put(t, dir, ".new/"+name, name)
		group.Go(func() {
			if _, err := Publish(dir, path); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := len(checked(t, dir)); got != 16 {
		t.Errorf("%d files listed, want 16", got)
	}
}

func TestDamagedListIsKept(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, File, "hello\n")
	_, err := Publish(dir, put(t, dir, ".new/a.whl", "a"))
	var known *diag.Error
	if !errors.As(err, &known) || known.Class != diag.Usage || !strings.HasPrefix(known.Hint, "rm ") {
		t.Fatalf("error is %v", err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, File)); string(text) != "hello\n" {
		t.Errorf("the list became %q", text)
	}
	if isFile(filepath.Join(dir, "a.whl")) {
		t.Error("the wheel was published all the same")
	}
}

func TestParse(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, test := range []struct {
		text string
		want int // -1: refused
	}{
		{"", 0},
		{sum + "  a.whl\n", 1},
		{sum + " *a.whl\n" + sum + "  b c.whl", 2},
		{sum + "  a.whl\n" + sum + "  a.whl\n", -1},
		{sum + " a.whl\n", -1},
		{sum[1:] + "  a.whl\n", -1},
		{strings.ToUpper(sum) + "  a.whl\n", -1},
		{sum + "  cu129/a.whl\n", 1},
		{sum + "  ../a.whl\n", -1},
		{sum + "  /a.whl\n", -1},
		{"\\" + sum + "  a\\nb\n", -1},
	} {
		sums, err := Parse([]byte(test.text))
		if (err != nil) != (test.want < 0) || err == nil && len(sums) != test.want {
			t.Errorf("%q: %v, %v", test.text, sums, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(strings.Repeat("ab", 32) + "  a.whl\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(sums.Text())
		if err != nil || !maps.Equal(sums, again) || !bytes.Equal(sums.Text(), again.Text()) {
			t.Errorf("%q became %v, then %v, %v", text, sums, again, err)
		}
	})
}
