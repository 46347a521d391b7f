package depcheck

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// imports returns what each package of the module imports from the module. Imports of tests do not count: a test may
// use any package.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	for _, p := range listed(t, "./...") {
		name, _ := own(p.ImportPath)
		packages[name] = []string{}
		for _, path := range p.Imports {
			if imported, ok := own(path); ok {
				packages[name] = append(packages[name], imported)
			}
		}
	}
	return packages
}

func TestImportsAreThoseOfThePage(t *testing.T) {
	for _, problem := range differences(page(t, "Go package"), imports(t)) {
		t.Errorf("docs/design.md: %s", problem)
	}
}

// differences compares the table with the packages, both ways, and wants imports to point down the table.
func differences(rows []row, packages map[string][]string) []string {
	var problems []string
	report := func(format string, values ...any) { problems = append(problems, fmt.Sprintf(format, values...)) }
	lines := map[string]int{}
	for i, row := range rows {
		lines[row.folder] = i
	}
	for name := range packages {
		if _, ok := lines[name]; !ok {
			report("the table has no line for package %s: decide where it stands", name)
		}
	}
	for i, row := range rows {
		imported, ok := packages[row.folder]
		if !ok {
			report("there is no package %s: remove its line", row.folder)
		}
		for _, name := range imported {
			if !slices.Contains(row.imports, name) {
				report("%s imports %s, but its line does not say so", row.folder, name)
			}
		}
		for _, name := range row.imports {
			if ok && !slices.Contains(imported, name) {
				report("%s does not import %s: remove it from its line", row.folder, name)
			}
			if at, ok := lines[name]; ok && at <= i {
				report("%s imports %s, which stands above it", row.folder, name)
			}
		}
	}
	slices.Sort(problems)
	return problems
}

func TestDifferences(t *testing.T) {
	packages := map[string][]string{"cmd": {"bake"}, "bake": {"matrix"}, "matrix": {}}
	for _, test := range []struct {
		name string
		rows []row
		want string
	}{
		{"equal", []row{{"cmd", []string{"bake"}}, {"bake", []string{"matrix"}}, {"matrix", nil}}, ""},
		{"an import too few", []row{{"cmd", nil}, {"bake", []string{"matrix"}}, {"matrix", nil}},
			"cmd imports bake, but its line does not say so"},
		{"an import too many", []row{{"cmd", []string{"bake", "matrix"}}, {"bake", []string{"matrix"}}, {"matrix", nil}},
			"cmd does not import matrix: remove it from its line"},
		{"a package too few", []row{{"cmd", []string{"bake"}}, {"bake", []string{"matrix"}}},
			"the table has no line for package matrix: decide where it stands"},
		{"a package too many", []row{{"cmd", []string{"bake"}}, {"old", nil}, {"bake", []string{"matrix"}}, {"matrix", nil}},
			"there is no package old: remove its line"},
		{"an import upwards", []row{{"cmd", []string{"bake"}}, {"matrix", nil}, {"bake", []string{"matrix"}}},
			"bake imports matrix, which stands above it"},
	} {
		if got := strings.Join(differences(test.rows, packages), "\n"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
