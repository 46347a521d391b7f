package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/sums"
)

// TestUpToDateWheelsOpenNoBuilder bakes, and then holds the state directory: whoever wants the builder fails. A second bake
// does not, until something changes that decides the wheel, or that is not a wheel alone.
func TestUpToDateWheelsOpenNoBuilder(t *testing.T) {
	tr := newTree(t)
	tr.run(0, "bake")
	first := tr.readWheel()
	held, err := hold(filepath.Join(tr.state, "buildkit", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Unlock() }()
	upToDate := func(after string, args ...string) {
		t.Helper()
		summary, said := tr.run(0, append([]string{"bake"}, args...)...)
		row := summary.Rows[0]
		if row.Outcome != report.UpToDate || row.Size != int64(len(first)) || filepath.Base(row.Wheel) != wheelName || strings.Contains(said, "vertexes") {
			t.Errorf("%s: %+v, and it says %q", after, row, said)
		}
		if !bytes.Equal(first, tr.readWheel()) {
			t.Errorf("%s: the wheel has other bytes", after)
		}
	}
	builds := func(after string, args ...string) {
		t.Helper()
		if said := fails(t, 3, tr.command(args...)); !strings.Contains(said, "is in use") {
			t.Errorf("%s: sagebuild %s asks for no builder: %s", after, strings.Join(args, " "), said)
		}
	}
	upToDate("right after the bake")
	upToDate("with a cache to import", "--cache-from", "type=local,src="+t.TempDir())

	for _, name := range []string{
		"csrc/device/mma/attention_fp16_sm75.cu", "csrc/device/ptx/base.cuh", "csrc/host/sageattn.h", "python/build_backend/sass/__init__.py",
		"python/sageattention/core.py", "python/README.md", "python/pyproject.toml", "LICENSE", "lock/system.hcl", "lock/toolchain-cu129.txt",
	} {
		edited(t, filepath.Join(tr.source, name), func(text []byte) []byte { return append(text, '\n') }, func() { builds(name+" was edited", "bake") })
	}
	for _, name := range []string{wheelName, provenance.StatementFile(wheelName), sums.File} {
		path := filepath.Join(tr.dist, name)
		edited(t, path, func(text []byte) []byte { text[len(text)/2] ^= 1; return text }, func() { builds(name+" has a flipped bit", "bake") })
		edited(t, path, func(text []byte) []byte { return text[:len(text)/2] }, func() { builds(name+" is cut short", "bake") })
	}
	upToDate("after everything is as it was")
	tr.append("README.md", "no stage copies this file\n")
	upToDate("after an edit that no stage copies")

	builds("without the cache", "bake", "--no-cache")
	builds("with a cache to fill", "bake", "--cache-to", "type=local,dest="+t.TempDir())
	builds("on another base", "bake", "--base", "debian:bookworm-slim")
	builds("to compile", "compile")
	builds("to test", "test")
	cmd := tr.command("bake")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if said := fails(t, 3, cmd); !strings.Contains(said, "is in use") {
		t.Errorf("at another time: %s", said)
	}
	tr.dist = filepath.Join(t.TempDir(), "dist")
	builds("in another dist/", "bake")
}

// edited changes a file for as long as look takes.
func edited(t *testing.T, path string, change func([]byte) []byte, look func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(bytes.Clone(before)), 0o644); err != nil {
		t.Fatal(err)
	}
	look()
	if err := os.WriteFile(path, before, 0o644); err != nil {
		t.Fatal(err)
	}
}
