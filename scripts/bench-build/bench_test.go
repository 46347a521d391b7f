package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sagebuild/sagebuild/matrix"
)

func TestMeasureCountsDescendants(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	// The outer shell waits for one that burns CPU time in a grandchild.
	m, err := measure(io.Discard, "bash", "-c", `bash -c 'for ((i = 0; i < 300000; i++)); do :; done; true'; true`)
	if err != nil {
		t.Fatal(err)
	}
	if m.CPU < 50*time.Millisecond || m.Peak == 0 {
		t.Errorf("CPU %v, peak %d: the grandchild is missing", m.CPU, m.Peak)
	}
}

func TestCountStages(t *testing.T) {
	got := countStages([]string{"builder", "builder", "kernels-sm70-compile"})
	if want := []string{"builder (2 times)", "kernels-sm70-compile"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestReadParentWithAnOddName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "42", "stat")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("42 (a) b (c) S 7 42 42"), 0o644); err != nil {
		t.Fatal(err)
	}
	if pid, parent, ok := readParent(path); pid != 42 || parent != 7 || !ok {
		t.Errorf("got %d, %d, %v", pid, parent, ok)
	}
}

// The page that is committed can be read, and a page shows what the one before it said.
func TestPageShowsTheOneBefore(t *testing.T) {
	before, err := readPage("../../docs/bench-build.md")
	if err != nil || before.day == "" || len(before.rows) < 4 {
		t.Fatalf("read %+v, %v", before, err)
	}
	before.rows["`bake default`, cold"] = figure{"134.9", "97.5"}
	b := bench{singles: "none", before: before, coldDefault: measurement{Wall: 50 * time.Second, CPU: 40 * time.Second, Peak: 3e6}}
	text := b.markdown()
	if want := "| `bake default`, cold | 50.0 | 40.0 | 3 MB | under 120 s: met | 134.9 | 97.5 |"; !strings.Contains(text, want) {
		t.Errorf("no line %q in\n%s", want, text)
	}
	again := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(again, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := readPage(again); err != nil || p.rows["`bake default`, cold"] != (figure{"50.0", "40.0"}) {
		t.Errorf("read %+v, %v", p, err)
	}
}

func TestGeneratedDefinitionHasThatManyCells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells.hcl")
	if err := os.WriteFile(path, []byte(generated(1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := matrix.Load(path)
	if err != nil || len(m.Cells()) != 1005 {
		t.Fatalf("cells %v, error %v", m, err)
	}
}

// The copy of the sources is whole: links of git are links.
func TestCopySource(t *testing.T) {
	t.Chdir("../..")
	b := bench{work: t.TempDir()}
	source, err := b.copySource()
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(source, "python", "sageattn3", "_core")); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link of sageattn3 became %v (%v)", info, err)
	}
}
