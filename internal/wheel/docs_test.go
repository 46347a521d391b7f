package wheel

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestDocsNameEveryCode wants each code that findings can have in docs/wheels.md.
func TestDocsNameEveryCode(t *testing.T) {
	docs, err := os.ReadFile("../../docs/wheels.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := parser.ParseFile(token.NewFileSet(), "finding/finding.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		found++
		code := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if !strings.Contains(string(docs), "`"+code+"`") {
			t.Errorf("docs/wheels.md does not name %s", code)
		}
		return true
	})
	if found < 30 {
		t.Errorf("%d codes in finding.go", found)
	}
}
