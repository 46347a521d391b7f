package matrix

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// People write definitions. The bounds keep a file that no person wrote from taking all memory: HCL's parser recurses
// for each level of nesting, and has no limit of its own.
const (
	maxSize    = 1 << 20 // bytes
	maxNesting = 100     // brackets within brackets
	maxErrors  = 20      // errors that are shown of one definition
	maxMessage = 200     // letters of one such error
)

// bounded cuts errors down to what a person would read: a file that is no definition has a mistake on every line.
func bounded(errs []error) []error {
	if len(errs) > maxErrors {
		more := &diag.Error{Class: diag.Usage, Message: fmt.Sprintf("mistakes besides: %d", len(errs)-maxErrors)}
		errs = append(errs[:maxErrors:maxErrors], more)
	}
	for i, err := range errs {
		if known := new(diag.Error); errors.As(err, &known) && len([]rune(known.Message)) > maxMessage {
			short := *known
			short.Message = string([]rune(known.Message)[:maxMessage-1]) + "…"
			errs[i] = &short
		}
	}
	return errs
}

// checkBounds refuses a definition that is too large or too deeply nested for the parser. Brackets count wherever
// they stand, in texts and comments too.
func checkBounds(name string, src []byte) error {
	if len(src) > maxSize {
		return &diag.Error{Class: diag.Usage, Message: name + " is larger than 1 MB: that is no definition", Hint: "sagebuild matrix"}
	}
	depth, signs, line, start := 0, 0, 1, 0
	for at, c := range src {
		switch c {
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth--
		case '!', '-': // each sign before a value is a level as well
			signs++
		case '\n':
			line, start = line+1, at+1
		case ' ', '\t', '\r':
		default:
			signs = 0
		}
		if depth > maxNesting || signs > maxNesting && !isComment(src[start:]) {
			return &diag.Error{Class: diag.Usage, Message: "more than 100 levels of nesting", Hint: "sagebuild matrix",
				Range: &diag.Range{File: name, Line: line, Column: at - start + 1}}
		}
	}
	return nil
}

// isComment says whether a line is a comment. Comments may hold rulers of dashes, and such dashes are no signs.
func isComment(line []byte) bool {
	line = bytes.TrimLeft(line, " \t")
	return bytes.HasPrefix(line, []byte("#")) || bytes.HasPrefix(line, []byte("//"))
}
