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

func TestGroups(t *testing.T) {
	m := load(t, "")
	pick := func(parts ...string) (found []string) {
		for _, target := range defaultTargets {
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
		{"sage2-all", defaultTargets},
		{"pytorch26", pick("pytorch26")},
		{"pytorch27", pick("pytorch27")},
		{"pytorch28", pick("pytorch28")},
		{"python39", pick("python39")},
		{"python310", pick("python310")},
		{"python311", pick("python311")},
		{"python312", pick("python312")},
		{"stable", []string{"linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", "linux-sage2-pytorch28-cu129-python312"}},
		{"test-all", m.testTargets()},
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
		{"sage2-all", defaultTargets},
		{"linux-*-python312", []string{"linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", one}},
		{"test-*-pytorch26-*-python39", []string{"test-linux-sage2-pytorch26-cu126-python39"}},
		{"python312 python39", []string{"linux-sage2-pytorch26-cu126-python39", "linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", one}},
		{"test-all", m.testTargets()},
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

func TestSelectUnknown(t *testing.T) {
	m := load(t, "")
	for _, test := range []struct{ name, hint string }{
		{"pytorch29", "did you mean pytorch26?"},
		{"sage2-al", "did you mean sage2-all?"},
		{"linux-sage2-pytorch28-cu129-python31", "did you mean linux-sage2-pytorch28-cu129-python310?"},
		{"linux-sage2-pytorch28-cu128-python312", "did you mean linux-sage2-pytorch27-cu128-python312?"},
		{"default,stable", "sagebuild matrix"},
		{"banana", "sagebuild matrix"},
		{"windows-*", "sagebuild matrix"},
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
