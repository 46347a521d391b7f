package tests

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// TestPartsOfAnotherMachine splits a bake as jobs do. One state directory compiles the parts, and exports them to a
// registry as well. Another, which starts empty, takes the parts, compiles nothing, and makes the same wheel.
func TestPartsOfAnotherMachine(t *testing.T) {
	first := newTree(t)
	parts := filepath.Join(t.TempDir(), "parts")
	images := serveRegistry(t) + "/cache:{part}"
	summary, _ := first.run(0, "compile", "--output", parts, "--cache-to", "type=registry,ref="+images)
	if len(summary.Rows) != 3 || summary.Rows[0].Size == 0 {
		t.Fatalf("compiled %+v, want kernels of two SMs and a host library", summary.Rows)
	}
	first.run(0, "bake")

	other := first.elsewhere()
	_, said := other.run(0, "bake", "--parts", parts)
	for _, stage := range ran(t, said) {
		if strings.HasSuffix(stage, "-compile") || strings.HasPrefix(stage, "ptx") || stage == "host-toolchain" || stage == "nvdisasm" {
			t.Errorf("%s ran", stage)
		}
	}
	if !bytes.Equal(first.readWheel(), other.readWheel()) {
		t.Error("the wheel of imported parts has other bytes")
	}
	other.expectClean()

	// What the registry holds are the same parts, whether BuildKit finds them there or compiles them again.
	again := filepath.Join(t.TempDir(), "parts")
	other.run(0, "compile", "--output", again, "--cache-from", "type=registry,ref="+images)
	compareParts(t, parts, again)

	other.append("csrc/device/ptx/base.cuh", "// another line\n")
	if said := fails(t, 2, other.command("bake", "--parts", parts)); !strings.Contains(said, "kernels-cu129-sm70 was compiled from other inputs") {
		t.Errorf("parts of other sources: %s", said)
	}
}

// compareParts wants two directories of parts to hold the same files.
func compareParts(t *testing.T, a, b string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(a, "*", "out", "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("parts hold %v, %v", files, err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(b, strings.TrimPrefix(file, a)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs, %v", file, err)
		}
	}
}

// serveRegistry serves an empty registry of images on the loopback interface and returns its address.
func serveRegistry(t *testing.T) string {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// elsewhere is the same source on a machine that never built: an empty build cache, and a dist directory of its own. The
// Debian base is not bootstrapped again.
func (tr *tree) elsewhere() *tree {
	tr.t.Helper()
	other := *tr
	other.state, other.dist = tr.t.TempDir(), filepath.Join(tr.t.TempDir(), "dist")
	if err := os.Symlink(filepath.Join(tr.state, "bases"), filepath.Join(other.state, "bases")); err != nil {
		tr.t.Fatal(err)
	}
	return &other
}
