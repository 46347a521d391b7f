// Package sourcetest gives tests the Go sources of the module, for rules that no compiler knows.
package sourcetest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each visits every Go file below sourceDir, the root of the source tree, but tests and what lies in a folder of these names.
func Each(t *testing.T, sourceDir string, visit func(*token.FileSet, *ast.File), without ...string) {
	t.Helper()
	without = append(without, "testdata", "dist", ".git")
	files := 0
	err := filepath.WalkDir(sourceDir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(without, entry.Name()):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err == nil {
			visit(set, file)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("files that were read: %d (%v)", files, err)
	}
}
