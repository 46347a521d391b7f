package run

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
)

const source = "../.."

// planned is a run of the built-in matrix and this repository's sources.
func planned(t *testing.T, names string, options bake.PlanOptions) *Run {
	t.Helper()
	m, set := matrixtest.Definition(t, source)
	selection, err := m.Select(strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := bake.NewPlan(m, set, selection, options)
	if err != nil {
		t.Fatal(err)
	}
	return &Run{Project: &Project{m, set}, Plan: plan, Options: Options{Source: source, Dist: t.TempDir(), State: t.TempDir(), Jobs: 1}}
}

// A bake needs no interpreter, and what several targets share is made once.
func TestRunMakesOnlyTheTreesOfItsPlan(t *testing.T) {
	for names, want := range map[string][]string{
		"default sage2-all": {"debian"},
		"test-linux-sage2-pytorch28-cu129-python310 test-linux-sage2-pytorch28-cu129-python312": {"debian", "python-3.10", "python-3.12"},
		"test-windows-sage2-pytorch28-cu129-python312":                                          {"debian", "windows/python-3.12", "windows/emulator"},
	} {
		var got []string
		for _, tree := range lockedTrees(planned(t, names, bake.PlanOptions{Locked: true}).Plan) {
			got = append(got, tree.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s takes %v, want %v", names, got, want)
		}
	}
	if trees := lockedTrees(planned(t, "test-all", bake.PlanOptions{}).Plan); trees != nil {
		t.Errorf("a plan of images takes %v from the lock", trees)
	}
}

func TestContextsBecomeReal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "renamed.whl")
	writeFile(t, file, "a wheel")
	writeFile(t, filepath.Join(dir, "other.whl"), "another")
	r := planned(t, "test-linux-sage2-pytorch28-cu129-python312", bake.PlanOptions{Locked: true, PythonImage: "mirror/python:{python}", WheelFile: file})
	staging, err := newStaging(r.Options.Dist)
	if err != nil {
		t.Fatal(err)
	}
	debian := bake.Locked{Tree: bake.TreeDebian}
	s := &session{Run: r, staging: staging, trees: map[bake.Locked]string{debian: "oci-layout:///bases/debian"}}
	target := r.Plan.Targets[0]
	got, err := s.contexts(target)
	if err != nil {
		t.Fatal(err)
	}
	expectFiles(t, got["wheel"], map[string]string{target.Wheel: "a wheel"})
	delete(got, "wheel")
	if want := map[string]string{"base": "oci-layout:///bases/debian", "python": "docker-image://mirror/python:3.12"}; !maps.Equal(got, want) {
		t.Errorf("contexts %v, want %v", got, want)
	}
	if err := staging.close(); err != nil {
		t.Fatal(err)
	}
}

// A plan whose packages nobody locked ends before anything is made or opened.
func TestRunChecksLocksFirst(t *testing.T) {
	r := planned(t, "default", bake.PlanOptions{Locked: true})
	r.Options.Source = t.TempDir()
	r.Options.Dist = filepath.Join(r.Options.Dist, "dist")
	var said bytes.Buffer
	r.Options.Notes, r.Options.Out = &said, &said
	_, err := r.Bake(context.Background())
	if !errors.Is(err, diag.Usage) || !strings.Contains(err.Error(), "not locked yet") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(r.Options.State); exists(r.Options.Dist) || len(left) > 0 || said.Len() > 0 {
		t.Errorf("it made dist/ (%v), %v, and said %q", exists(r.Options.Dist), left, &said)
	}
}
