package matrix

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hcldiag"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// reader turns expressions into values and collects what is wrong with them, so that one run reports every
// mistake of a file.
type reader struct {
	errs []error
}

// located is a value of the file with its place, for errors that only a later check finds.
type located[T any] struct {
	value T
	at    hcl.Range
}

func (r *reader) fail(at hcl.Range, hint, format string, args ...any) {
	r.errs = append(r.errs, &diag.Error{
		Message: fmt.Sprintf(format, args...), Range: hcldiag.Place(at), Hint: hint, Class: diag.Usage,
	})
}

func (r *reader) err() error { return errors.Join(bounded(r.errs)...) }

// diagnostics keeps the errors of the HCL library in our own form.
func (r *reader) diagnostics(found hcl.Diagnostics) {
	for _, e := range hcldiag.Errors(found) {
		r.errs = append(r.errs, e)
	}
}

// text reads a literal string, which must not be empty. A number is refused because 3.10 would become 3.1.
func (r *reader) text(e hcl.Expression) located[string] {
	at := e.Range()
	value, found := e.Value(nil)
	if found.HasErrors() {
		r.diagnostics(found)
		return located[string]{at: at}
	}
	if value.Type() != cty.String || value.IsNull() || !value.IsKnown() {
		r.fail(at, `write it in quotes: "3.10"`, "want a string, not a %s", value.Type().FriendlyName())
		return located[string]{at: at}
	}
	if strings.TrimSpace(value.AsString()) == "" {
		r.fail(at, "", "this must not be empty")
	}
	return located[string]{value.AsString(), at}
}

// optional reads a string that may be missing.
func (r *reader) optional(e hcl.Expression) located[string] {
	if !given(e) {
		return located[string]{at: e.Range()}
	}
	return r.text(e)
}

// list reads a list of at least one string, and keeps the place of each string.
func (r *reader) list(e hcl.Expression) []located[string] {
	before := len(r.errs)
	values := r.listOrNone(e)
	if len(values) == 0 && len(r.errs) == before {
		r.fail(e.Range(), "", "this list must not be empty")
	}
	return values
}

// listOrNone is list, but accepts an empty list.
func (r *reader) listOrNone(e hcl.Expression) []located[string] {
	items, found := hcl.ExprList(e)
	if found.HasErrors() {
		r.fail(e.Range(), `write it in brackets: ["3.12"]`, "want a list of strings")
		return nil
	}
	values := make([]located[string], 0, len(items))
	seen := map[string]bool{}
	for _, item := range items {
		value := r.text(item)
		if seen[value.value] && value.value != "" {
			r.fail(value.at, "", "%q is listed twice", value.value)
		}
		seen[value.value] = true
		values = append(values, value)
	}
	return values
}

// oneOrMore reads a string, or a list of strings.
func (r *reader) oneOrMore(e hcl.Expression) []located[string] {
	if _, found := hcl.ExprList(e); found.HasErrors() {
		return []located[string]{r.text(e)}
	}
	return r.list(e)
}

// given tells whether an optional attribute is there.
func given(e hcl.Expression) bool {
	value, found := e.Value(nil)
	return found.HasErrors() || !value.IsNull()
}

// version reads a version with between least and most numbers.
func (r *reader) version(text located[string], least, most int) located[Version] {
	if text.value == "" {
		return located[Version]{at: text.at} // already reported
	}
	v, err := ParseVersion(text.value)
	switch {
	case err != nil:
		r.fail(text.at, "", "%v", err)
	case v.Parts() < least || v.Parts() > most:
		r.fail(text.at, "", "version %q has %s, want %s", text.value, ui.Count(v.Parts(), "number"), span(least, most))
	}
	return located[Version]{v, text.at}
}

func span(least, most int) string {
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// versions reads a list of versions.
func (r *reader) versions(e hcl.Expression, least, most int) []Version {
	var all []Version
	for _, text := range r.list(e) {
		all = append(all, r.version(text, least, most).value)
	}
	return all
}

// sm reads a compute capability.
func (r *reader) sm(text located[string]) SM {
	if text.value == "" {
		return SM{}
	}
	sm, err := ParseSM(text.value)
	if err != nil {
		r.fail(text.at, "", "%v", err)
	}
	return sm
}

var (
	namePattern     = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	platformPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(-[a-z0-9_]+)*$`)
	groupPattern    = platformPattern
	stemPattern     = regexp.MustCompile(`^[a-z0-9_]+$`)
)

// name checks a label that becomes a word of target names.
func (r *reader) name(kind string, pattern *regexp.Regexp, name string, at hcl.Range) {
	switch {
	case !pattern.MatchString(name):
		r.fail(at, "", "%s name %q: want lower-case letters, digits and _, a letter first", kind, name)
	case name == "test":
		r.fail(at, "", "%s name %q is reserved for test targets", kind, name)
	}
}

// unique reports the second of two blocks with the same key. Blocks of different kinds may share a key.
func (r *reader) unique(seen map[string]hcl.Range, kind, key string, at hcl.Range) bool {
	if first, ok := seen[key]; ok {
		r.fail(at, fmt.Sprintf("remove one of them; the first is at %s", hcldiag.Place(first)), "duplicate %s %q", kind, key)
		return false
	}
	seen[key] = at
	return true
}
