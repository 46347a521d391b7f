package bake

import (
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const sourceDir = ".."

func TestNothingIsRenderedForAnSMWithoutAttention(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	none := &kernels.Set{Packages: k.Packages, Sources: slices.DeleteFunc(slices.Clone(k.Sources), func(s kernels.Source) bool { return s.Operation() == "attention_fp16" })}
	for _, render := range []func(*matrix.Matrix, *kernels.Set) ([]byte, error){RenderBake, RenderDockerfile} {
		if _, err := render(m, none); err == nil {
			t.Error("a matrix without attention kernels is rendered")
		}
	}
}
