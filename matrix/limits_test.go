package matrix

import (
	"errors"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// A definition that would exhaust the parser's stack or all memory is refused before the parser sees it.
func TestHostileDefinitions(t *testing.T) {
	for name, text := range map[string]string{
		"brackets":    "a = " + strings.Repeat("[", 50000),
		"parentheses": "a = " + strings.Repeat("(", 500000),
		"objects":     "a = " + strings.Repeat("{a=", 50000),
		"templates":   "a = " + strings.Repeat(`"${`, 50000),
		"negations":   "a = " + strings.Repeat("!", 500000) + "true",
		"apart":       "a = " + strings.Repeat("! ", 400000) + "true",
		"minuses":     "a = " + strings.Repeat("-", 500000) + "1",
		"size":        strings.Repeat("# text\n", 1<<18),
	} {
		_, err := Parse("hostile.hcl", []byte(text))
		if !errors.Is(err, diag.Usage) || len(err.Error()) > 200 || !strings.Contains(err.Error(), "hostile.hcl") {
			t.Errorf("%s: %.200v, want one short usage error that names the file", name, err)
		}
	}
	ruler := "# " + strings.Repeat("-", 200) + "\n"
	if _, err := Parse("ruled.hcl", append([]byte(ruler), defaultDefinition...)); err != nil {
		t.Errorf("a ruler in a comment: %v", err)
	}
}

// The errors of a file with a mistake on every line, or with one very long mistake, fit on one screen.
func TestManyMistakes(t *testing.T) {
	for name, text := range map[string]string{
		"lines": strings.Repeat("nothing = that = is = HCL\n", 30000),
		"long":  "a = " + strings.Repeat("x", 900000) + "\n",
	} {
		_, err := Parse("hostile.hcl", []byte(text))
		if all := diag.All(err); !errors.Is(err, diag.Usage) || len(all) > maxErrors+1 || len(err.Error()) > 10000 {
			t.Errorf("%s: %d errors of %d bytes", name, len(all), len(err.Error()))
		}
	}
}
