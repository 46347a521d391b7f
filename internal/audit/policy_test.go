package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// TestPolicyMistakes wants every mistake at its own line and column, all in one run.
func TestPolicyMistakes(t *testing.T) {
	source := `sms = ["9.0", "nine", "9.0af", 9]
ptx = "12.1"
max_size = 100
glibc = "two"
stripped = "yes"
dependencies = ["[" ]
severity = { rpath = "loud" }
sm "8" {
  max_size = "big"
}
`
	_, err := ParsePolicy("p.hcl", []byte(source))
	var places []string
	for _, e := range diag.All(err) {
		if e.Class != diag.Usage || e.Range == nil {
			t.Errorf("%+v", e)
			continue
		}
		places = append(places, e.Range.String())
	}
	slices.Sort(places)
	want := []string{"p.hcl:1:15", "p.hcl:1:23", "p.hcl:1:32", "p.hcl:2:7", "p.hcl:3:12", "p.hcl:4:9", "p.hcl:5:12", "p.hcl:6:17", "p.hcl:7:22", "p.hcl:8:4", "p.hcl:9:14"}
	if !slices.Equal(places, want) {
		t.Errorf("%q, want %q: %v", places, want, err)
	}
}

func TestPolicySyntax(t *testing.T) {
	for source, place := range map[string]string{"sms = [": "p.hcl:1:", "smss = []": "p.hcl:1:1", "\nsm {\n}": "p.hcl:2:"} {
		_, err := ParsePolicy("p.hcl", []byte(source))
		var e *diag.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Error(), place) {
			t.Errorf("%q: %v, want it at %s", source, err, place)
		}
	}
	if _, err := LoadPolicy(filepath.Join(t.TempDir(), "absent.hcl")); diag.ClassOf(err) != diag.Usage {
		t.Errorf("a missing file: %v", err)
	}
}

// TestPolicyRules judges a wheel with cubins for 7.0, 8.0, 9.0a, 10.0f and 12.1, PTX for 12.1, and a library that is
// not stripped and needs glibc 2.34.
func TestPolicyRules(t *testing.T) {
	files := []file{{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")}, {"fixture/symbols.so", wheeltest.Fixture(t, "symbols.so")}, {"fixture/new.so", wheeltest.Fixture(t, "new_glibc.so")}}
	for source, want := range map[string][]string{
		``:                                    nil,
		`sms = ["7.0", "9.0", "9.0a"]`:        nil,
		`sms = ["9.0f", "8.0"]`:               {"policy-sm p.hcl:1:8"},
		`sms = ["8.6"]`:                       {"policy-sm p.hcl:1:8"},
		"files = [\"*.so\"]\nsms = [\"8.0\"]": {"policy-sm p.hcl:2:8"},
		"files = [\"b*\"]\nptx = [\"9.0\"]":   nil,
		`ptx = ["12.1"]`:                      nil,
		`ptx = ["12.0", "12.1"]`:              {"policy-ptx p.hcl:1:8"},
		`max_size = "1GB"`:                    nil,
		`max_size = "1kB"`:                    {"policy-size p.hcl:1:12"},
		"sm \"7.0\" {\n  max_size = \"1kB\"\n}\nsm \"8.0\" {\n  max_size = \"1MB\"\n}": {"policy-size p.hcl:2:14"},
		`dependencies = ["libc.so.6", "lib[mp]*"]`:                                     nil,
		`dependencies = ["libc.so.6"]`:                                                 {"policy-dependency p.hcl:1:16"},
		`dependencies = []`:                                                            {"policy-dependency p.hcl:1:16"},
		`glibc = "2.34"`:                                                               nil,
		`glibc = "2.28"`:                                                               {"policy-glibc p.hcl:1:9"},
		`stripped = false`:                                                             nil,
		`stripped = true`:                                                              {"policy-stripped p.hcl:1:12"},
		"stripped = true\nseverity = { policy-stripped = \"warning\" }": nil,
		`severity = { "rpath" = "error" }`:                              {"rpath <nil>"},
		"stripped = true\nseverity = { policy-stripped = \"ignore\" }":  nil,
	} {
		policy, err := ParsePolicy("p.hcl", []byte(source))
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		options := defaults(t)
		options.Policy = policy
		r := audited(t, options, "fixture-1.0-py3-none-linux_x86_64.whl", files...)
		if got := broken(r); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

// broken lists the errors of a report with the places of the rules.
func broken(r *Report) []string {
	var list []string
	for _, f := range r.Findings {
		if f.Severity == finding.Error {
			list = append(list, fmt.Sprint(f.Code, " ", f.Rule))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("sms = [\"9.0a\"]\nptx = [\"12.1\"]\nsm \"9.0\" {\n  max_size = \"20MB\"\n}\n"))
	f.Add([]byte("files = [\"*.so\"]\nseverity = { rpath = \"ignore\" }\nglibc = \"2.28\"\nstripped = true"))
	f.Fuzz(func(t *testing.T, source []byte) {
		policy, err := ParsePolicy("p.hcl", source)
		if err == nil {
			policy.judge(&Report{})
		}
	})
}

// TestDocsNameEveryCode wants each code of this package, and each attribute of a policy, in docs/audit.md.
func TestDocsNameEveryCode(t *testing.T) {
	docs, err := os.ReadFile("../../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, pattern := range map[string]string{"findings.go": `finding\.Code += "([a-z-]+)"`, "policy.go": "hcl:\"([a-z_]+),optional"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindAllSubmatch(source, -1)
		if len(found) < 8 {
			t.Errorf("%d names in %s", len(found), name)
		}
		for _, match := range found {
			if !strings.Contains(string(docs), "`"+string(match[1])+"`") {
				t.Errorf("docs/audit.md does not name %s", match[1])
			}
		}
	}
}
