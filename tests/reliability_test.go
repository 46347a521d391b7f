package tests

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	reproduction = regexp.MustCompile("`(Test[A-Za-z0-9]+|test_[a-z0-9_]+|[a-z_]+\\.txtar)`")
	definition   = regexp.MustCompile(`(?m)^(?:func|def|    def) (Test[A-Za-z0-9]+|test_[a-z0-9_]+)\(`)
)

// Every fault that docs/reliability.md lists names tests, which exist.
func TestFaultsHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile("../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| fault | tests |\n|---|---|\n")
	if !found {
		t.Fatal("docs/reliability.md has no table of faults and tests")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	tests := definedTests(t)
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) < 30 {
		t.Errorf("the table has %d rows, and there are more faults", len(rows))
	}
	for _, row := range rows {
		named := reproduction.FindAllStringSubmatch(row, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", row)
		}
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("there is no test %s: %s", name[1], row)
			}
		}
	}
}

// definedTests are the tests of all languages: functions, and scripts by their files.
func definedTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && slices.Contains([]string{".git", "dist", "bin"}, name):
			return fs.SkipDir
		case strings.HasSuffix(name, ".txtar"):
			tests[name] = true
		case strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test_") && strings.HasSuffix(name, ".py"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, match := range definition.FindAllSubmatch(text, -1) {
				tests[string(match[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
