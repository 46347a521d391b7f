package audit

import (
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hcldiag"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Policy is what a policy file asks of wheels. docs/audit.md describes the file.
type Policy struct {
	files        rule[[]string] // patterns of the files that SM rules are about; none means every file with device code
	sms, ptx     []rule[kernels.Arch]
	dependencies rule[[]string]
	glibc        rule[string]
	stripped     rule[bool]
	maxSize      rule[int64]
	perSM        map[matrix.SM]rule[int64]
	severities   map[finding.Code]string
}

// rule is a value of the file with its place; at is nil where the file does not give the value.
type rule[T any] struct {
	value T
	at    *diag.Range
}

// policySchema keeps values as expressions, so that each mistake is reported at its own place.
type policySchema struct {
	Files        hcl.Expression `hcl:"files,optional"`
	SMs          hcl.Expression `hcl:"sms,optional"`
	PTX          hcl.Expression `hcl:"ptx,optional"`
	Dependencies hcl.Expression `hcl:"dependencies,optional"`
	Glibc        hcl.Expression `hcl:"glibc,optional"`
	Stripped     hcl.Expression `hcl:"stripped,optional"`
	MaxSize      hcl.Expression `hcl:"max_size,optional"`
	Severity     hcl.Expression `hcl:"severity,optional"`
	SizesOfSMs   []smSchema     `hcl:"sm,block"`
}

type smSchema struct {
	Name      string         `hcl:"capability,label"`
	NameRange hcl.Range      `hcl:"capability,label_range"`
	MaxSize   hcl.Expression `hcl:"max_size,optional"`
}

// LoadPolicy reads a policy file. The error joins one *diag.Error of class Usage for each mistake, with its place.
func LoadPolicy(name string) (*Policy, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: "reading the policy", Hint: "sagebuild audit --policy FILE WHEEL", Err: err}
	}
	return ParsePolicy(name, source)
}

// ParsePolicy is LoadPolicy for bytes at hand; name is what errors call the file.
func ParsePolicy(name string, source []byte) (*Policy, error) {
	r := &policyReader{}
	var schema policySchema
	file, found := hclsyntax.ParseConfig(source, name, hcl.InitialPos)
	if !found.HasErrors() {
		found = gohcl.DecodeBody(file.Body, nil, &schema)
	}
	if r.diagnostics(found); found.HasErrors() {
		return nil, r.err()
	}
	p := &Policy{
		files: r.patterns(schema.Files), dependencies: r.patterns(schema.Dependencies),
		sms: r.archs(schema.SMs), ptx: r.archs(schema.PTX), glibc: r.version(schema.Glibc),
		stripped: r.truth(schema.Stripped), maxSize: r.size(schema.MaxSize),
		perSM: map[matrix.SM]rule[int64]{}, severities: r.severities(schema.Severity),
	}
	for _, block := range schema.SizesOfSMs {
		sm, err := matrix.ParseSM(block.Name)
		if err != nil {
			r.fail(block.NameRange, "%v", err)
		}
		p.perSM[sm] = r.size(block.MaxSize)
	}
	return p, r.err()
}

// policyReader turns expressions into values and collects mistakes, so that one run reports every mistake.
type policyReader struct{ errs []error }

func (r *policyReader) err() error { return errors.Join(r.errs...) }

func (r *policyReader) fail(at hcl.Range, format string, args ...any) {
	r.errs = append(r.errs, &diag.Error{Class: diag.Usage, Range: hcldiag.Place(at), Message: fmt.Sprintf(format, args...)})
}

// diagnostics keeps the errors of the HCL library in our own form.
func (r *policyReader) diagnostics(found hcl.Diagnostics) {
	for _, e := range hcldiag.Errors(found) {
		r.errs = append(r.errs, e)
	}
}

// value evaluates an expression; ok is false where the file lacks the expression or gives a value of another type.
func (r *policyReader) value(e hcl.Expression, kind cty.Type, want string) (cty.Value, bool) {
	value, found := e.Value(nil)
	if r.diagnostics(found); found.HasErrors() || value.IsNull() {
		return value, false
	}
	if !value.IsKnown() || value.Type() != kind {
		r.fail(e.Range(), "want %s, not a %s", want, value.Type().FriendlyName())
		return value, false
	}
	return value, true
}

func (r *policyReader) text(e hcl.Expression, want string) rule[string] {
	value, ok := r.value(e, cty.String, want)
	if !ok {
		return rule[string]{}
	}
	return rule[string]{value.AsString(), hcldiag.Place(e.Range())}
}

func (r *policyReader) truth(e hcl.Expression) rule[bool] {
	value, ok := r.value(e, cty.Bool, "true or false")
	if !ok {
		return rule[bool]{}
	}
	return rule[bool]{value.True(), hcldiag.Place(e.Range())}
}

// items reads a list of strings; the list may be empty.
func (r *policyReader) items(e hcl.Expression) []rule[string] {
	if value, found := e.Value(nil); !found.HasErrors() && value.IsNull() {
		return nil
	}
	expressions, found := hcl.ExprList(e)
	if found.HasErrors() {
		r.fail(e.Range(), `want a list of strings in brackets, such as ["9.0"]`)
		return nil
	}
	var items []rule[string]
	for _, item := range expressions {
		if text := r.text(item, "a string"); text.at != nil {
			items = append(items, text)
		}
	}
	return items
}

func (r *policyReader) patterns(e hcl.Expression) rule[[]string] {
	var all rule[[]string]
	if value, found := e.Value(nil); !found.HasErrors() && value.IsNull() {
		return all
	}
	all.at = hcldiag.Place(e.Range())
	for _, item := range r.items(e) {
		if _, err := path.Match(item.value, ""); err != nil {
			r.errs = append(r.errs, &diag.Error{Class: diag.Usage, Range: item.at, Message: fmt.Sprintf("%q is no pattern: %v", item.value, err)})
		}
		all.value = append(all.value, item.value)
	}
	return all
}

// archs reads SMs; an SM may end in "a" or "f".
func (r *policyReader) archs(e hcl.Expression) []rule[kernels.Arch] {
	var all []rule[kernels.Arch]
	for _, item := range r.items(e) {
		arch, err := kernels.ParseArch(item.value)
		if err != nil {
			r.errs = append(r.errs, &diag.Error{Class: diag.Usage, Range: item.at, Err: err})
			continue
		}
		all = append(all, rule[kernels.Arch]{arch, item.at})
	}
	return all
}

func (r *policyReader) version(e hcl.Expression) rule[string] {
	text := r.text(e, `a version in quotes, such as "2.28"`)
	if _, err := matrix.ParseVersion(text.value); text.at != nil && err != nil {
		r.fail(e.Range(), "%v", err)
	}
	return text
}

func (r *policyReader) size(e hcl.Expression) rule[int64] {
	text := r.text(e, `a size in quotes, such as "100MB"`)
	if text.at == nil {
		return rule[int64]{}
	}
	size, err := ui.ParseSize(text.value)
	if err != nil {
		r.fail(e.Range(), "%v", err)
	}
	return rule[int64]{int64(size), text.at}
}

// severities reads a map from the code of a finding to what the policy makes of such findings.
func (r *policyReader) severities(e hcl.Expression) map[finding.Code]string {
	if value, found := e.Value(nil); !found.HasErrors() && value.IsNull() {
		return nil
	}
	pairs, found := hcl.ExprMap(e)
	if found.HasErrors() {
		r.fail(e.Range(), `want a map, such as { rpath = "ignore" }`)
		return nil
	}
	all := map[finding.Code]string{}
	for _, pair := range pairs {
		key := hcl.ExprAsKeyword(pair.Key)
		if key == "" {
			key = r.text(pair.Key, "the code of a finding").value
		}
		level := r.text(pair.Value, `"error", "warning" or "ignore"`)
		if level.at != nil && level.value != "error" && level.value != "warning" && level.value != "ignore" {
			r.fail(pair.Value.Range(), `want "error", "warning" or "ignore", not %q`, level.value)
		}
		all[finding.Code(key)] = level.value
	}
	return all
}
