package ui

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/sourcetest"
)

// counted finds a number before a noun in the plural: "%d wheels", "%d broken wheels".
var counted = regexp.MustCompile(`(\w+ )?%d ((?:[a-z]+ )?[a-z]+s)\b`)

// verbs end as plurals do: "line %d is", "page %d goes".
var verbs = []string{"is", "has", "was", "goes", "names", "continues"}

// A number that may be one says its noun by Count or Plural. A limit ("more than %d bytes") is none.
func TestNounsAreCounted(t *testing.T) {
	sourcetest.Each(t, "../..", func(set *token.FileSet, file *ast.File) { checkCounts(t, set, file) })
}

func checkCounts(t *testing.T, set *token.FileSet, file *ast.File) {
	t.Helper()
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
