// Package depcheck holds the tree to the tables of docs/design.md: each package imports what its line says, imports
// point down, each folder has a line. The domain knows nothing of BuildKit, and only the builder knows buildx. The
// package has no code besides its tests.
package depcheck

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sagebuild/sagebuild"

// forTests are packages of tests and scripts, which may import anything.
var forTests = []string{"tests", "scripts"}

// buildKitUsers may import buildx and BuildKit; everything else that reaches them goes through these.
var buildKitUsers = []string{"internal/builder"}

// buildKit are the import paths that mean BuildKit.
var buildKit = []string{"github.com/docker/buildx", "github.com/moby/buildkit"}

type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// listed runs go list from the root of the module.
func listed(t *testing.T, arguments ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,TestImports,XTestImports"}, arguments...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v: %s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		switch err := decoder.Decode(&p); err {
		case nil:
			packages = append(packages, p)
		case io.EOF:
			return packages
		default:
			t.Fatal(err)
		}
	}
}

// own cuts the module path; ok is false for packages of others.
func own(path string) (name string, ok bool) { return strings.CutPrefix(path, module+"/") }

func below(path string, parents []string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool {
		return path == parent || strings.HasPrefix(path, parent+"/")
	})
}

// Tests count here as well: a test of the domain that needs BuildKit belongs to the builder.
func TestOnlyTheBuilderImportsBuildKit(t *testing.T) {
	for _, p := range listed(t, "./...") {
		name, _ := own(p.ImportPath)
		if below(name, slices.Concat(buildKitUsers, forTests)) {
			continue
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if below(path, buildKit) {
				t.Errorf("%s must not import %s", name, path)
			}
		}
	}
}

// A package must not reach BuildKit through a package of another module either: only the builder leads there.
func TestOnlyTheBuilderReachesBuildKit(t *testing.T) {
	graph := map[string][]string{}
	for _, p := range listed(t, "-deps", "./...") {
		graph[p.ImportPath] = p.Imports
	}
	for _, user := range buildKitUsers {
		delete(graph, module+"/"+user)
	}
	for _, row := range page(t, "Go package") {
		if below(row.folder, slices.Concat(buildKitUsers, forTests)) {
			continue
		}
		if path := pathToBuildKit(graph, module+"/"+row.folder); path != nil {
			t.Errorf("%s reaches BuildKit: %s", row.folder, strings.Join(path, " → "))
		}
	}
}

// pathToBuildKit is a shortest chain of imports from a package to one of BuildKit, or nil.
func pathToBuildKit(graph map[string][]string, from string) []string {
	chains := [][]string{{from}}
	seen := map[string]bool{from: true}
	for len(chains) > 0 {
		chain := chains[0]
		chains = chains[1:]
		for _, next := range graph[chain[len(chain)-1]] {
			if seen[next] {
				continue
			}
			seen[next] = true
			longer := append(slices.Clone(chain), next)
			if below(next, buildKit) {
				return longer
			}
			chains = append(chains, longer)
		}
	}
	return nil
}

func TestPathToBuildKit(t *testing.T) {
	graph := map[string][]string{
		"a": {"b", "c"}, "b": {"a"}, "c": {"d"}, "d": {"github.com/moby/buildkit/client"}, "e": {"b"},
	}
	if got := strings.Join(pathToBuildKit(graph, "a"), " "); got != "a c d github.com/moby/buildkit/client" {
		t.Errorf("path %q", got)
	}
	delete(graph, "d")
	if got := pathToBuildKit(graph, "e"); got != nil {
		t.Errorf("path %v where there is none", got)
	}
}
