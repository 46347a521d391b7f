package cli

import (
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

// SMs that one rule leaves out share a line, and what the wheels of a CUDA share is said once.
func TestExclusionsAreSaidOnce(t *testing.T) {
	left := []bake.Exclusion{
		{SM: matrix.SM{Major: 7}, Reason: "no FP4", Source: "a"},
		{SM: matrix.SM{Major: 9}, Reason: "no FP4", Source: "a"},
		{SM: matrix.SM{Major: 12, Minor: 1}, Reason: "too new", Source: "b"},
	}
	target := bake.Target{CUDA: "12.8.1", Excluded: left}
	var out strings.Builder
	sayExclusions(notes{&ui.Console{Err: &out}}, &bake.Plan{Targets: []bake.Target{target, target}})
	want := `sagebuild: CUDA 12.8.1 leaves out SM 7.0 and 9.0: no FP4 (a)
sagebuild: CUDA 12.8.1 leaves out SM 12.1: too new (b)
`
	if out.String() != want {
		t.Errorf("said\n%swant\n%s", out.String(), want)
	}
}
