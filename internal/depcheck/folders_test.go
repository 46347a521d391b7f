package depcheck

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// unmapped are folders that the page does not explain: what tools write, and the inputs of tests.
var unmapped = []string{".git", ".sagebuild", "bin", "dist", "testdata", "__pycache__", "python/sageattention/lib"}

// folders returns the folders of the tree that hold files of their own.
func folders(tree fs.FS) (map[string]bool, error) {
	found := map[string]bool{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(unmapped, name) || slices.Contains(unmapped, entry.Name()) || cache(name) {
				return fs.SkipDir
			}
			return nil
		}
		found[path.Dir(name)] = true
		return nil
	})
	delete(found, ".")
	return found, err
}

// cache tells the hidden folders of tools from .ci and .github.
func cache(name string) bool {
	return strings.HasPrefix(path.Base(name), ".") && strings.HasSuffix(name, "_cache")
}

func TestEveryFolderIsOnThePage(t *testing.T) {
	found, err := folders(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for _, row := range slices.Concat(page(t, "Go package"), page(t, "folder")) {
		if lines[row.folder] {
			t.Errorf("docs/design.md has two lines for folder %s", row.folder)
		}
		lines[row.folder] = true
	}
	for _, folder := range missing(found, lines) {
		t.Errorf("docs/design.md has no line for folder %s", folder)
	}
	for _, folder := range missing(lines, found) {
		t.Errorf("docs/design.md has a line for folder %s, which does not exist or is empty", folder)
	}
}

// missing returns the keys of one set that the other lacks, sorted.
func missing(of, in map[string]bool) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(of)), func(key string) bool { return in[key] })
}

func TestFolders(t *testing.T) {
	tree := t.TempDir()
	for _, name := range []string{"a/b/file", "a/testdata/file", "bin/file", ".ci/run", ".mypy_cache/file", "Makefile"} {
		if err := os.MkdirAll(path.Join(tree, path.Dir(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path.Join(tree, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	found, err := folders(os.DirFS(tree))
	if got := strings.Join(slices.Sorted(maps.Keys(found)), " "); err != nil || got != ".ci a/b" {
		t.Errorf("folders %q, error %v", got, err)
	}
}
