package matrix

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func names(selected []Selection) []string {
	all := make([]string, len(selected))
	for i, s := range selected {
		all[i] = s.Target()
	}
	return all
}

var universalTests = []string{
	"test-linux-sage2-universal-pytorch24-python39", "test-linux-sage2-universal-pytorch26-python39", "test-linux-sage2-universal-pytorch215-python312",
}

func tested(targets []string) []string {
	tests := make([]string, len(targets))
	for i, target := range targets {
		tests[i] = "test-" + target
	}
	return tests
}

func TestGroups(t *testing.T) {
	m := load(t, "")
	pick := func(parts ...string) (found []string) {
		for _, target := range homeTargets {
			for _, part := range parts {
				if strings.HasSuffix(target, part) || strings.Contains(target, part+"-") {
					found = append(found, target)
				}
			}
		}
		return found
	}
	want := []Group{
		{"default", []string{"linux-sage2-pytorch28-cu129-python312"}},
		{"sage2-all", homeTargets},
		{"pytorch26", pick("pytorch26")},
		{"pytorch27", pick("pytorch27")},
		{"pytorch28", pick("pytorch28")},
		{"python39", pick("python39")},
		{"python310", pick("python310")},
		{"python311", pick("python311")},
		{"python312", pick("python312")},
		{"stable", []string{"linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", "linux-sage2-pytorch28-cu129-python312"}},
		{"test-all", tested(homeTargets)},
		{"universal", []string{"linux-sage2-universal", "linux-arm64-sage2-universal", "windows-sage2-universal"}},
		{"test-universal", slices.Concat(universalTests, []string{
			"test-linux-arm64-sage2-universal-pytorch28-python312", "test-windows-sage2-universal-pytorch28-python312"})},
		{"test-linux-sage2-universal", universalTests},
		{"test-linux-arm64-sage2-universal", []string{"test-linux-arm64-sage2-universal-pytorch28-python312"}},
		{"test-windows-sage2-universal", []string{"test-windows-sage2-universal-pytorch28-python312"}},
		{"linux-arm64-all", append(onPlatform("linux-arm64"), "linux-arm64-sage2-universal")},
		{"test-linux-arm64-all", append(tested(onPlatform("linux-arm64")), "test-linux-arm64-sage2-universal-pytorch28-python312")},
		{"windows-all", append(onPlatform("windows"), "windows-sage2-universal")},
		{"test-windows-all", append(tested(onPlatform("windows")), "test-windows-sage2-universal-pytorch28-python312")},
	}
	got := m.Groups()
	if !slices.EqualFunc(got, want, func(a, b Group) bool { return a.Name == b.Name && slices.Equal(a.Targets, b.Targets) }) {
		t.Errorf("groups\n%v\nwant\n%v", got, want)
	}
	if len(want[2].Targets) != 4 || len(want[8].Targets) != 3 {
		t.Errorf("the expectation itself is wrong: %v", want)
	}
}

func TestDefaultGroupWithoutAttribute(t *testing.T) {
	text := edited(t, `default = "linux-sage2-pytorch28-cu129-python312"`, "")
	m, err := Parse("my.hcl", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Groups()[0].Targets; !slices.Equal(got, []string{"linux-sage2-pytorch28-cu129-python312"}) {
		t.Errorf("default is %v, want the newest stable target", got)
	}
}

func TestSelect(t *testing.T) {
	m := load(t, "")
	const one = "linux-sage2-pytorch28-cu129-python312"
	for _, test := range []struct {
		names string
		want  []string
	}{
		{"", []string{one}},
		{"default", []string{one}},
		{one, []string{one}},
		{one + " default " + one, []string{one}},
		{"test-" + one, []string{"test-" + one}},
		{"test-" + one + " " + one, []string{one, "test-" + one}},
		{"sage2-all", homeTargets},
		{"linux-sage2-*-python312", []string{"linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", one}},
		{"windows-*-pytorch28-*", []string{"windows-sage2-pytorch28-cu129-python310", "windows-sage2-pytorch28-cu129-python311", "windows-sage2-pytorch28-cu129-python312"}},
		{"universal default", []string{one, "linux-sage2-universal", "linux-arm64-sage2-universal", "windows-sage2-universal"}},
		{"test-linux-sage2-universal", universalTests},
		{"test-*-pytorch26-*-python39", []string{"test-linux-sage2-pytorch26-cu126-python39"}},
		{"python312 python39", []string{"linux-sage2-pytorch26-cu126-python39", "linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", one}},
		{"test-all", tested(homeTargets)},
	} {
		got, err := m.Select(strings.Fields(test.names))
		if err != nil || !slices.Equal(names(got), test.want) {
			t.Errorf("Select(%s) = %v, %v", test.names, names(got), err)
		}
	}
}

func TestSelectTests(t *testing.T) {
	m := load(t, "")
	for _, arguments := range []string{"pytorch28", "test-linux-sage2-pytorch28-*", "pytorch28 test-linux-sage2-pytorch28-cu129-python310"} {
		got, err := m.SelectTests(strings.Fields(arguments))
		want := []string{"test-linux-sage2-pytorch28-cu129-python310", "test-linux-sage2-pytorch28-cu129-python311", "test-linux-sage2-pytorch28-cu129-python312"}
		if err != nil || !slices.Equal(names(got), want) {
			t.Errorf("SelectTests(%s) = %v, %v", arguments, names(got), err)
		}
	}
}

// A universal wheel is tested on every runtime of its block, or on the one that a target names.
func TestSelectTestsOfAUniversalWheel(t *testing.T) {
	m := load(t, "")
	for arguments, want := range map[string][]string{
		"linux-sage2-universal":      universalTests,
		"test-linux-sage2-universal": universalTests,
		universalTests[2]:            universalTests[2:],
	} {
		got, err := m.SelectTests(strings.Fields(arguments))
		if err != nil || !slices.Equal(names(got), want) {
			t.Errorf("SelectTests(%s) = %v, %v", arguments, names(got), err)
		}
	}
}

func TestSelectUnknown(t *testing.T) {
	m := load(t, "")
	for _, test := range []struct{ name, hint string }{
		{"pytorch29", "did you mean pytorch26?"},
		{"sage2-al", "did you mean sage2-all?"},
		{"linux-sage2-pytorch28-cu129-python31", "did you mean linux-sage2-pytorch28-cu129-python310?"},
		{"linux-sage2-pytorch28-cu128-python312", "did you mean linux-sage2-pytorch27-cu128-python312?"},
		{"default,stable", "sagebuild matrix"},
		{"banana", "sagebuild matrix"},
		{"darwin-*", "sagebuild matrix"},
		{"linux-[", "sagebuild matrix"},
	} {
		got, err := m.Select([]string{"default", test.name})
		var e *diag.Error
		if !errors.As(err, &e) || got != nil {
			t.Errorf("Select(%s) = %v, %v", test.name, got, err)
			continue
		}
		if e.Class != diag.Usage || !strings.Contains(e.Hint, test.hint) || !strings.Contains(e.Message, test.name) {
			t.Errorf("Select(%s): %v, hint %q, want the hint %q", test.name, e, e.Hint, test.hint)
		}
	}
}
