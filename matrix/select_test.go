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

// The members of these groups are promised: a cell that joins the matrix changes none of them.
func TestWrittenGroups(t *testing.T) {
	pick := func(part string) (found []string) {
		for _, target := range homeTargets {
			if strings.Contains(target+"-", part+"-") {
				found = append(found, target)
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
	}
	if len(want[2].Targets) != 4 || len(want[8].Targets) != 3 {
		t.Errorf("the expectation itself is wrong: %v", want)
	}
	groups := groupsOf(load(t, ""))
	for _, group := range want {
		if got := groups[group.Name]; !slices.Equal(got, group.Targets) {
			t.Errorf("group %s holds\n%s\nwant\n%s", group.Name, strings.Join(got, "\n"), strings.Join(group.Targets, "\n"))
		}
	}
}

func groupsOf(m *Matrix) map[string][]string {
	groups := map[string][]string{}
	for _, group := range m.Groups() {
		groups[group.Name] = group.Targets
	}
	return groups
}

// Every other group holds all cells that its name describes.
func TestDerivedGroups(t *testing.T) {
	m := load(t, "")
	groups := groupsOf(m)
	same := func(name string, want []string) {
		t.Helper()
		if !slices.Equal(groups[name], want) {
			t.Errorf("group %s holds\n%s\nwant\n%s", name, strings.Join(groups[name], "\n"), strings.Join(want, "\n"))
		}
	}
	same("everything", m.targets())
	same("test-sage2-universal", groups["test-universal"])
	same("sage2-universal", groups["universal"])
	same("test-sage2-all", groups["test-all"])
	same("test-linux-sage2-universal", universalTests)
	for _, platform := range m.Platforms() {
		cells := m.cellsWhere(func(c Cell) bool { return c.Platform.Name == platform.Name })
		same(platform.Name+"-all", targetsOf(cells))
		same("test-"+platform.Name+"-all", testTargets(cells))
	}
	same("current", targetsOf(m.cellsWhere(func(c Cell) bool { return !c.Universal && c.Torch.Minor() == newestIn(m) })))
}

func newestIn(m *Matrix) Version {
	var newest Version
	for _, cell := range m.Cells() {
		if !cell.Universal && cell.Torch.Compare(newest) > 0 {
			newest = cell.Torch
		}
	}
	return newest.Minor()
}

func TestDefaultGroupWithoutAttribute(t *testing.T) {
	text := edited(t, `default = "linux-sage2-pytorch28-cu129-python312"`, "")
	m, err := Parse("my.hcl", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Groups()[0].Targets; !slices.Equal(got, []string{"linux-sage2-pytorch215-cu132-python314"}) {
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
		{"linux-sage2-pytorch2[678]-*-python312", []string{"linux-sage2-pytorch26-cu126-python312", "linux-sage2-pytorch27-cu128-python312", one}},
		{"windows-sage2-pytorch28-*", []string{"windows-sage2-pytorch28-cu129-python310", "windows-sage2-pytorch28-cu129-python311", "windows-sage2-pytorch28-cu129-python312"}},
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

// A universal wheel is tested on every runtime of its block, or on the one runtime that a target names.
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
		{"pytorch99", "sagebuild matrix lists the targets and groups"},
		{"pytorch2.8", "did you mean pytorch28?"},
		{"sage2-al", "did you mean sage2-all?"},
		{"linux-sage2-pytorch28-cu129-python31", "did you mean linux-sage2-pytorch28-cu129-python310?"},
		{"linux-sage2-pytorch28-cu128-python312", "did you mean linux-sage2-pytorch28-cu129-python312?"},
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
