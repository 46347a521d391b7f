package ui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// counted finds a number before a noun in the plural: "%d wheels", "%d broken wheels".
var counted = regexp.MustCompile(`(\w+ )?%d ((?:[a-z]+ )?[a-z]+s)\b`)

// verbs end as plurals do: "line %d is", "page %d goes".
var verbs = []string{"is", "has", "was", "goes", "names", "continues"}

// A number that may be one says its noun by Count or Plural. A limit ("more than %d bytes") is none.
func TestNounsAreCounted(t *testing.T) {
	files := 0
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{"testdata", "dist", ".git"}, entry.Name()) {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			files++
			checkCounts(t, path)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files were read (%v)", files, err)
	}
}

func checkCounts(t *testing.T, path string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		if noun := uncounted(text); noun != "" {
			t.Errorf("%s: %%d %s: say it by ui.Count or ui.Plural", set.Position(literal.Pos()), noun)
		}
		return true
	})
}

// uncounted is the noun in a format that its number may not fit.
func uncounted(format string) string {
	for _, found := range counted.FindAllStringSubmatch(format, -1) {
		first, _, _ := strings.Cut(found[2], " ")
		if found[1] != "than " && !slices.Contains(verbs, first) {
			return found[2]
		}
	}
	return ""
}

func TestUncounted(t *testing.T) {
	for format, want := range map[string]string{
		"%d wheels":                       "wheels",
		"found %d broken wheels":          "broken wheels",
		"%d of %d wheels":                 "wheels",
		"line %d is wrong":                "",
		"line %d names others":            "",
		"it has more than %d bytes":       "",
		"more than %d bytes, in %d files": "files",
		"exit code %d":                    "",
	} {
		if got := uncounted(format); got != want {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
}
