package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

// Of several wheels, those that are none of the matrix have their line, and the others are built.
func TestSelectWheels(t *testing.T) {
	m, err := matrix.Load("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	good := filepath.Join(dir, "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl")
	other := filepath.Join(dir, "other-1.0-py3-none-any.whl")
	for _, path := range []string{good, other} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, unreadable, selection, err := selectWheels(m, []string{other, good, filepath.Join(dir, "missing.whl")})
	if err != nil || len(files) != 1 || len(selection) != 1 || len(unreadable) != 2 {
		t.Fatalf("%v, %v, %v, error %v", files, unreadable, selection, err)
	}
	for at, want := range []string{"no target of the matrix", "is no file"} {
		if r := unreadable[at]; r.Result != run.Unreadable || !r.Bad() || !strings.Contains(r.Problems[0], want) {
			t.Errorf("%+v, want %q", r, want)
		}
	}
	if _, _, _, err := selectWheels(m, []string{other}); diag.ClassOf(err) != diag.Usage {
		t.Errorf("nothing to build: %v", err)
	}
}

func TestCompareRevisions(t *testing.T) {
	for _, test := range []struct{ wheel, here, want string }{
		{"abc", "abc", ""},
		{"", "abc", ""},
		{"abc", "", ""},
		{"abc", "def", "this source is at commit def, the wheel is of abc; --revision builds by that one"},
		{"abc", "abc-dirty", "this source has changes to its commit abc"},
		{"abc-dirty", "abc", "it was built from a tree with changes to commit abc, which no commit has"},
		{"abc", "def-dirty", "this source is at commit def, the wheel is of abc; --revision builds by that one; this source has changes to its commit def"},
	} {
		r := &run.Rebuilt{Revision: test.wheel}
		compareRevisions([]*run.Rebuilt{r}, test.here)
		if got := strings.Join(r.Notes, "; "); got != test.want {
			t.Errorf("%q at %q: %q, want %q", test.wheel, test.here, got, test.want)
		}
	}
}

func TestRevisionOf(t *testing.T) {
	dir := t.TempDir()
	wheel := func(name, revision string) string {
		path := filepath.Join(dir, name)
		text := `{"_type":"` + provenance.StatementType + `","predicateType":"` + provenance.PredicateType +
			`","predicate":{"runDetails":{"metadata":{"buildkit_metadata":{"vcs":{"revision":"` + revision + `"}}}}}}`
		if err := os.WriteFile(provenance.StatementFile(path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, same, other, dirty, none := wheel("1.whl", "abc"), wheel("2.whl", "abc"), wheel("3.whl", "def"), wheel("4.whl", "abc-dirty"), wheel("5.whl", "")
	if got, err := revisionOf([]string{one, same}); err != nil || got != "abc" {
		t.Errorf("%q, %v", got, err)
	}
	for _, wheels := range [][]string{{one, other}, {dirty}, {none}, {filepath.Join(dir, "6.whl")}} {
		if got, err := revisionOf(wheels); diag.ClassOf(err) != diag.Usage {
			t.Errorf("%v: %q, %v", wheels, got, err)
		}
	}
}

// The program of another commit gets the flags of this command line, but for the source.
func TestVerifyArguments(t *testing.T) {
	app := &App{Console: ui.NewConsole(os.Stdout, os.Stderr)}
	cmd := newVerify(app)
	cmd.RunE = func(*cobra.Command, []string) error { return nil }
	cmd.SetArgs([]string{"--revision", "--source", "here", "--no-cache", "--cache-from", "type=gha", "--cache-from", "type=local,src=a", "--json", "a.whl"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	want := []string{"verify", "--source=there", "--cache-from=type=gha", "--cache-from=type=local,src=a", "--json=true", "--no-cache=true", "--"}
	if got := verifyArguments(cmd, "there"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Names of members and what their headers say come from the wheel.
func TestRebuiltDoesNotSteerATerminal(t *testing.T) {
	var text strings.Builder
	hostile := &run.Rebuilt{Wheel: "a.whl", Problems: []string{"\x1b[2K\rall is well\u202e"}}
	if err := writeWheels(&text, []*run.Rebuilt{hostile}); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); strings.ContainsAny(got, "\x1b\r\u202e") || !strings.Contains(got, "all is well") {
		t.Errorf("%q", got)
	}
}
