package base

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

var (
	someSHA  = strings.Repeat("ab", 32)
	someTree = "sha256:" + someSHA
	someSum  = "h1:" + strings.Repeat("A", 43) + "="
)

// lockText is a good lock with one line of each of its parts replaced.
func lockText(edits ...string) string {
	text := fmt.Sprintf(`architecture = "amd64"
epoch        = 315532800
base {
  suite    = "bookworm"
  include  = ["python3"]
  packages = { "python3" = "3.11.2-1+b1 sha256:%s" }
}
python "3.12" {
  module {
    path    = "example.org/python"
    version = "v0.0.0-3.12.3"
    sum     = "%s"
  }
  tree = "%s"
}
`, someSHA, someSum, someTree)
	return strings.NewReplacer(edits...).Replace(text)
}

func TestParseLock(t *testing.T) {
	lock, err := ParseLock("system.hcl", []byte(lockText()))
	if err != nil {
		t.Fatal(err)
	}
	if lock.Architecture != "amd64" || lock.Epoch != 315532800 || lock.Base.Suite != "bookworm" {
		t.Errorf("lock is %+v", lock)
	}
	if got := lock.Base.Packages["python3"]; got != "3.11.2-1+b1 sha256:"+someSHA {
		t.Errorf("python3 is %q", got)
	}
	p, err := lock.python(matrix.MustVersion("3.12.3"))
	if err != nil || p.Module.Sum != someSum || p.Tree != someTree {
		t.Errorf("python 3.12 is %+v (%v)", p, err)
	}
	_, err = lock.python(matrix.MustVersion("3.8"))
	if err == nil || !strings.Contains(err.Error(), "only 3.12") {
		t.Errorf("python 3.8 gave %v, want the versions there are", err)
	}
}

func TestParseLockMistakes(t *testing.T) {
	tests := []struct {
		name  string
		edits []string
		line  int
		want  string
	}{
		{"syntax", []string{`"bookworm"`, `"bookworm`}, 4, ""},
		{"missing attribute", []string{"epoch        = 315532800", ""}, 1, "epoch"},
		{"unknown attribute", []string{"epoch  ", "era = 1\nepoch"}, 2, "era"},
		{"wrong type", []string{"315532800", `"soon"`}, 2, ""},
		{"suite", []string{"bookworm", "bookworm; rm"}, 3, "suite"},
		{"included package", []string{`["python3"]`, `["--option"]`}, 3, "--option"},
		{"pin without hash", []string{" sha256:" + someSHA, ""}, 6, "python3"},
		{"python version", []string{`python "3.12"`, `python "three"`}, 8, "three"},
		{"tree", []string{`"` + someTree, `"sha256:1`}, 14, "sha256:1"},
		{"module sum", []string{someSum, "h1:x"}, 8, "h1:x"},
		{"no source", []string{"module {", "debian {"}, 9, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseLock("system.hcl", []byte(lockText(test.edits...)))
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Usage || e.Hint == "" || e.Range == nil {
				t.Fatalf("error is %v, want a usage error with a place and a hint", err)
			}
			if e.Range.Line != test.line || e.Range.File != "system.hcl" || !strings.Contains(e.Error(), test.want) {
				t.Errorf("error is %q, want line %d and %q", e, test.line, test.want)
			}
		})
	}
	twice := lockText() + lockText()[strings.Index(lockText(), "python \"3.12\""):]
	if _, err := ParseLock("system.hcl", []byte(twice)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a python that is locked twice gave %v", err)
	}
}

func TestCommittedLock(t *testing.T) {
	lock, err := ReadLock(lockPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lock.Base.Include {
		if lock.Base.Packages[name] == "" {
			t.Errorf("base: %s is included but not pinned; run: sagebuild lock", name)
		}
	}
	for _, p := range lock.Pythons {
		if p.Debian != nil && len(p.Debian.Packages) != len(p.Debian.Include) {
			t.Errorf("python %s: %d of %d packages are pinned; run: sagebuild lock", p.Version, len(p.Debian.Packages), len(p.Debian.Include))
		}
	}
	if _, err := ReadLock("does-not-exist.hcl"); err == nil {
		t.Error("a missing lock is no error")
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte(lockText()))
	f.Add([]byte("base {}"))
	f.Add([]byte(`python "3.9" { debian { suite = "x" } }`))
	f.Fuzz(func(t *testing.T, data []byte) {
		lock, err := ParseLock("system.hcl", data)
		var e *diag.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("error %v is not for the user", err)
		}
		if err == nil && lock == nil {
			t.Error("neither a lock nor an error")
		}
	})
}

func TestComparePins(t *testing.T) {
	a, b := Pin{"1.0", someSHA}, Pin{"1.0", strings.Repeat("00", 32)}
	tests := []struct {
		name   string
		locked map[string]string
		found  map[string]Pin
		want   []string
	}{
		{"nothing", nil, nil, nil},
		{"same", map[string]string{"x": a.String()}, map[string]Pin{"x": a}, nil},
		{"another hash", map[string]string{"x": a.String()}, map[string]Pin{"x": b}, []string{"x is 1.0, locked is 1.0"}},
		{"another version", map[string]string{"x": a.String()}, map[string]Pin{"x": {"1.1", someSHA}}, []string{"x is 1.1, locked is 1.0"}},
		{"missing", map[string]string{"x": a.String()}, nil, []string{"x is missing"}},
		{"new", nil, map[string]Pin{"x": a}, []string{"x 1.0 is new"}},
	}
	for _, test := range tests {
		if got := comparePins(test.locked, test.found); !slices.Equal(got, test.want) {
			t.Errorf("%s: differences are %q, want %q", test.name, got, test.want)
		}
	}
}

func TestKeyFollowsTheLock(t *testing.T) {
	key := func(text string) string {
		lock, err := ParseLock("system.hcl", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return (&Store{Lock: lock}).key(lock.Base.keyParts()...)
	}
	first := key(lockText())
	if again := key("# a comment\n" + lockText()); again != first {
		t.Errorf("a comment changed the key from %s to %s", first, again)
	}
	for _, edit := range []string{"3.11.2-1+b1", "bookworm", "315532800", someSHA, `["python3"]`} {
		replacement := map[string]string{"315532800": "1", someSHA: strings.Repeat("cd", 32), `["python3"]`: `["python3", "bash"]`}[edit]
		if replacement == "" {
			replacement = "other"
		}
		if key(lockText(edit, replacement)) == first {
			t.Errorf("another %s gave the same key", edit)
		}
	}
}

func TestPhases(t *testing.T) {
	var said []string
	p := &phases{say: func(phase string) { said = append(said, phase) }}
	for _, chunk := range []string{"I: running apt-get", " update...\nGet:1 I: no\n", "W: x\nI: done\nI: unfin"} {
		if n, err := p.Write([]byte(chunk)); n != len(chunk) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := []string{"running apt-get update", "done"}; !slices.Equal(said, want) {
		t.Errorf("it says %q, want %q", said, want)
	}
}
