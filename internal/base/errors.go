package base

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hcldiag"
)

// changed is the error of an archive that no longer has what the lock pins.
func changed(at hcl.Range, format string, args ...any) error {
	return &diag.Error{Range: hcldiag.Place(at), Message: fmt.Sprintf(format, args...), Hint: "sagebuild lock", Class: diag.Environment}
}

// stateError turns a full disk into an error that says so.
func stateError(dir string, err error) error {
	var known *diag.Error
	if errors.As(err, &known) {
		return err
	}
	if diag.IsDiskFull(err) {
		return &diag.Error{Class: diag.Environment, Hint: "sagebuild clean",
			Message: fmt.Sprintf("the disk of the state directory %s is full", dir)}
	}
	return err
}

// toolError is the error of a program that is missing or that failed. Its output says why; no network is the
// commonest reason.
func toolError(name, install string, err error, output []byte) error {
	if errors.Is(err, errNotFound) {
		return &diag.Error{Class: diag.Environment, Hint: install, Message: name + " is not installed"}
	}
	return &diag.Error{Class: diag.Environment, Hint: "sagebuild doctor",
		Message: name + " failed", Err: fmt.Errorf("%w: %s", err, cause(output))}
}

// cause is the line of output that says why a program failed: the first that apt marks as an error, because later
// ones follow from it, or else the last line.
func cause(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, "E: "); ok {
			return strings.Join(strings.Fields(text), " ")
		}
	}
	return lines[len(lines)-1]
}
