package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every direct dependency and every program of lint says in docs/dependencies.md why it is there.
func TestDependenciesAreExplained(t *testing.T) {
	text, err := os.ReadFile("../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "lock/lint.mod"} {
		for _, path := range directDependencies(t, file) {
			if !strings.Contains(string(text), path) {
				t.Errorf("docs/dependencies.md does not say why %s of %s is there", path, file)
			}
		}
	}
}

// directDependencies returns the modules and the programs that a go.mod file names.
func directDependencies(t *testing.T, file string) []string {
	t.Helper()
	edit := exec.Command("go", "mod", "edit", "-json", file)
	edit.Dir = ".."
	out, err := edit.Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, require := range mod.Require {
		if !require.Indirect {
			paths = append(paths, require.Path)
		}
	}
	for _, tool := range mod.Tool {
		paths = append(paths, tool.Path)
	}
	if len(paths) == 0 {
		t.Fatalf("%s names no dependency", file)
	}
	return paths
}
