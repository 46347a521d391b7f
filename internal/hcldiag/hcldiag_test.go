package hcldiag

import (
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func TestErrors(t *testing.T) {
	_, found := hclsyntax.ParseConfig([]byte("a = 1\nb = [\n"), "my.hcl", hcl.InitialPos)
	found = append(found, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Only a warning"}, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No place", Detail: "Nowhere."})
	errs := Errors(found)
	if len(errs) != 2 {
		t.Fatalf("%d errors of %v", len(errs), found)
	}
	first, last := errs[0], errs[1]
	if first.Range == nil || first.Range.File != "my.hcl" || first.Range.Line != 3 || first.Class != diag.Usage {
		t.Errorf("%+v", first)
	}
	if last.Range != nil || last.Message != "no place: Nowhere" {
		t.Errorf("%+v", last)
	}
}
