// Package diag is the one error type of sagebuild that is written for the person at the terminal: what is
// wrong, where in their file, and the next command to type. Its class alone decides the exit code.
package diag

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Class says who can mend a failure. A Class is itself an error, so that errors.Is(err, diag.Usage) asks
// for the class of any error in a chain.
type Class int

const (
	// Failed is a build or a test that ran and did not succeed.
	Failed Class = iota
	// Usage is a wrong command line or a wrong matrix definition.
	Usage
	// Environment is something that the machine lacks: root, runc, network, disk, the state lock.
	Environment
	// Mismatch is a wheel that is not what the plan, the rules of an audit or its rebuild say.
	Mismatch
	// Interrupted is a run that the user stopped.
	Interrupted
)

var classes = map[Class]struct {
	name string
	exit int
}{
	Failed:      {"build or test failed", 1},
	Usage:       {"wrong usage or definition", 2},
	Environment: {"the machine lacks something", 3},
	Mismatch:    {"a wheel is not what it should be", 4},
	Interrupted: {"interrupted", 130},
}

// Error names the class.
func (c Class) Error() string { return classes[c].name }

// ExitCode is the exit code of the class: 1, 2, 3, 4 or 130.
func (c Class) ExitCode() int { return classes[c].exit }

// Range is a place in a user's file. Line and Column count from one.
type Range struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

// String is file:line:column, as editors open it.
func (r Range) String() string { return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column) }

// Error is a failure with what the user needs to mend it. Message is lower case and without a full stop;
// Hint is a command to type or a change to make in the file; Range and Err may be nil.
type Error struct {
	Message string
	Range   *Range
	Hint    string
	Class   Class
	Err     error
}

// Error is "file:line:column: message: cause", without the hint.
func (e *Error) Error() string {
	var parts []string
	if e.Range != nil {
		parts = append(parts, e.Range.String())
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the class of e.
func (e *Error) Is(target error) bool {
	class, ok := target.(Class)
	return ok && class == e.Class
}

// Usagef makes a Usage error without a place.
func Usagef(hint, format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Hint: hint, Class: Usage}
}

// All lists the errors of this package in err, in order: those joined by errors.Join one by one, each at its
// outermost. If err holds no such error, All returns err as one Error of class Failed or Interrupted.
func All(err error) []*Error {
	if err == nil {
		return nil
	}
	if found := collect(err); len(found) > 0 {
		return found
	}
	return []*Error{{Class: ClassOf(err), Err: err}}
}

func collect(err error) []*Error {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var found []*Error
		for _, inner := range e.Unwrap() {
			found = append(found, collect(inner)...)
		}
		return found
	case interface{ Unwrap() error }:
		return collect(e.Unwrap())
	}
	return nil
}

// ClassOf is the class of the first Error in err's chain. Without an Error in the chain, a cancelled context is
// Interrupted, and anything else is Failed.
func ClassOf(err error) Class {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Class
	case errors.Is(err, context.Canceled):
		return Interrupted
	}
	return Failed
}

// ExitCode maps an error to the exit code of the process, 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	return ClassOf(err).ExitCode()
}
