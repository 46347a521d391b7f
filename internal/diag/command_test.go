package diag

import (
	"go/ast"
	"go/token"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"testing"

	"github.com/sagebuild/sagebuild/internal/sourcetest"
)

func TestCommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the quotes of a POSIX shell")
	}
	for want, words := range map[string][]string{
		"namei -l /srv/site":                     {"namei", "-l", "/srv/site"},
		"rm -r 'my site'":                        {"rm", "-r", "my site"},
		`rm '$(id)' ''\''' '' '*' '~' 'a;b'`:     {"rm", "$(id)", "'", "", "*", "~", "a;b"},
		"--cache-to 'type=gha,scope={target}'":   {"--cache-to", "type=gha,scope={target}"},
		"curl https://example.org/w/@1.0,2%20:8": {"curl", "https://example.org/w/@1.0,2%20:8"},
		"ls -l 'größe'":                          {"ls", "-l", "größe"},
	} {
		if got := Command(words...); got != want {
			t.Errorf("%q: got %s, want %s", words, got, want)
		}
	}
}

func TestQuoteWindows(t *testing.T) {
	for word, want := range map[string]string{
		`dist\x-1.0+cu129.whl`: `dist\x-1.0+cu129.whl`, `C:\my dist`: `"C:\my dist"`, "torch==2.8.*": `"torch==2.8.*"`, "": `""`, "it's": `"it's"`,
	} {
		if got := quoteWindows(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}

// What a real shell makes of a quoted word is the word.
func TestShellReadsTheWord(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	for _, word := range []string{"plain", "", "two words", "it's", `"`, `\`, "$HOME", "`id`", "$(id)", "a;b&c|d", "*", "?", "[a]", "~", "#", "!", "a\nb", "{a,b}", "größe"} {
		out, err := exec.Command(shell, "-c", "printf %s "+quotePOSIX(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q as %s is %q (%v)", word, quotePOSIX(word), out, err)
		}
	}
}

// unfinished is a command to which something is added, without quotes.
var unfinished = regexp.MustCompile(`^(sagebuild|git|rm|ls|df|curl|ps|fuser|namei|docker|buildctl|pip|uv|apt-get|\$EDITOR)( .*)?[ =]$`)

// A hint with a path or a name is made by Command, which quotes them.
func TestHintsAreQuoted(t *testing.T) {
	sourcetest.Each(t, "../..", func(set *token.FileSet, file *ast.File) { checkHints(t, set, file) }, "scripts")
}

func checkHints(t *testing.T, set *token.FileSet, file *ast.File) {
	t.Helper()
	ast.Inspect(file, func(node ast.Node) bool {
		sum, ok := node.(*ast.BinaryExpr)
		if !ok || sum.Op != token.ADD || isQuoted(sum.Y) {
			return true
		}
		literal, ok := sum.X.(*ast.BasicLit)
		if !ok {
			return true
		}
		if text, _ := strconv.Unquote(literal.Value); unfinished.MatchString(text) {
			t.Errorf("%s: make this command by diag.Command", set.Position(literal.Pos()))
		}
		return true
	})
}

// isQuoted is whether an expression is a call of Quote.
func isQuoted(expression ast.Expr) bool {
	call, ok := expression.(*ast.CallExpr)
	if !ok {
		return false
	}
	callee, ok := call.Fun.(*ast.SelectorExpr)
	return ok && callee.Sel.Name == "Quote"
}
