// Package ui holds how sagebuild speaks to people: data goes to standard output, everything else to standard
// error with the prefix "sagebuild:"; no capitals, no full stops in messages; an error is followed by a hint that
// is a command to type; colour appears on a terminal alone, and never where NO_COLOR is set.
package ui

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// Console is where a command prints: Out takes its data, Err its messages.
type Console struct {
	Out, Err io.Writer
	// Color is whether messages on Err may be coloured, OutColor the same for Out.
	Color, OutColor bool
}

// NewConsole looks at both files: each is coloured if it is a terminal and the environment does not forbid it.
func NewConsole(out, err *os.File) *Console {
	allowed := colorAllowed(os.LookupEnv)
	return &Console{
		Out: out, Err: err,
		Color:    allowed && term.IsTerminal(int(err.Fd())),
		OutColor: allowed && term.IsTerminal(int(out.Fd())),
	}
}

// colorAllowed follows no-color.org (NO_COLOR present and not empty) and the terminals that know no colour.
func colorAllowed(lookup func(string) (string, bool)) bool {
	if value, ok := lookup("NO_COLOR"); ok && value != "" {
		return false
	}
	value, _ := lookup("TERM")
	return value != "dumb"
}

// Color is an SGR parameter.
type Color string

// The colours that messages and tables use.
const (
	Plain  Color = ""
	Bold   Color = "1"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
	Cyan   Color = "36"
)

// Paint wraps text in a colour where on is true.
func Paint(text string, color Color, on bool) string {
	if !on || color == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(color) + "m" + text + "\x1b[0m"
}

// Printable replaces control characters, other than tabs and ends of lines, and marks that reverse or hide text: what
// comes from a wheel or a file's name must not steer a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// Note prints one line of information on standard error.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintf(c.Err, "sagebuild: %s\n", Printable(fmt.Sprintf(format, args...)))
}

// Warn prints one warning on standard error.
func (c *Console) Warn(format string, args ...any) {
	fmt.Fprintf(c.Err, "sagebuild: %s %s\n", Paint("warning:", Yellow, c.Color), Printable(fmt.Sprintf(format, args...)))
}

// Error prints a message and then its hints, each a command to type.
func (c *Console) Error(message string, hints ...string) {
	fmt.Fprintf(c.Err, "sagebuild: %s %s\n", Paint("error:", Red, c.Color), Printable(message))
	for _, hint := range hints {
		if hint != "" {
			fmt.Fprintf(c.Err, "sagebuild: %s %s\n", Paint("hint:", Cyan, c.Color), Printable(hint))
		}
	}
}

// JSON prints a value on standard output, indented, with a final newline.
func (c *Console) JSON(value any) error {
	return WriteJSON(c.Out, value)
}

// WriteJSON prints a value, indented, without escaping the characters of HTML.
func WriteJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
