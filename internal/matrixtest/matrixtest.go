// Package matrixtest gives tests the built-in definition with its kernels, and a longer one.
package matrixtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Definition is the built-in definition, and the kernels of the source tree at sourceDir.
func Definition(t testing.TB, sourceDir string) (*matrix.Matrix, *kernels.Set) {
	t.Helper()
	m, err := matrix.Load("")
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernels.Read(sourceDir)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

// AddedTorch is the name that messages give the definition of WithTorch299.
const AddedTorch = "torch299.hcl"

// WithTorch299 is the built-in definition plus the text that a person would append for a torch 2.99. sourceDir is the
// root of the source tree.
func WithTorch299(t testing.TB, sourceDir string) *matrix.Matrix {
	t.Helper()
	var text bytes.Buffer
	for _, name := range []string{"default.hcl", "testdata/torch299.hcl"} {
		content, err := os.ReadFile(filepath.Join(sourceDir, "matrix", name))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(content)
	}
	m, err := matrix.Parse(AddedTorch, text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}
