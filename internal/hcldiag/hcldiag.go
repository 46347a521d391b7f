// Package hcldiag turns the errors of the HCL library into errors of package diag, with their place.
package hcldiag

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Place is where a range begins.
func Place(at hcl.Range) *diag.Range {
	return &diag.Range{File: at.Filename, Line: at.Start.Line, Column: at.Start.Column}
}

// Errors returns an error of class Usage for each error among the diagnostics.
func Errors(found hcl.Diagnostics) []*diag.Error {
	var errs []*diag.Error
	for _, d := range found {
		if d.Severity != hcl.DiagError {
			continue
		}
		e := &diag.Error{Class: diag.Usage, Message: lowerFirst(d.Summary) + ": " + strings.TrimSuffix(d.Detail, ".")}
		if d.Subject != nil {
			e.Range = Place(*d.Subject)
		}
		errs = append(errs, e)
	}
	return errs
}

func lowerFirst(text string) string {
	if text == "" {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}
