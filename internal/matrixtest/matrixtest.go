// Package matrixtest gives tests a definition that is longer than the built-in one.
package matrixtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

// AddedTorch is the name that messages give the definition of WithTorch216.
const AddedTorch = "torch216.hcl"

// WithTorch216 is the built-in definition and what somebody would append to it for a torch 2.16. sourceDir is the root
// of the source tree.
func WithTorch216(t testing.TB, sourceDir string) *matrix.Matrix {
	t.Helper()
	var text bytes.Buffer
	for _, name := range []string{"default.hcl", "testdata/torch216.hcl"} {
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
