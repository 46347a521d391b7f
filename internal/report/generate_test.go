package report

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/matrix"
)

const sourceDir = "../.."

func TestCommittedFilesAreFresh(t *testing.T) {
	files, err := Generate(matrixtest.Definition(t, sourceDir))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 6 {
		t.Errorf("%d generated files, want 6", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(sourceDir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): run `sagebuild generate`", name, err)
		}
	}
}

// Every cell is in exactly one row, and every group has all its members, once the braces are expanded.
func TestBuildMatrixShowsEveryCell(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	text := string(BuildMatrix(m, k))
	var shown []string
	for _, b := range blocksOf(m.Cells()) {
		if !strings.Contains(text, "| `"+b.targets()+"` | `"+b.wheels()+"` |") {
			t.Errorf("BUILD_MATRIX.md lacks %s", b.targets())
		}
		shown = append(shown, expanded(b.targets())...)
	}
	var want []string
	for _, cell := range m.Cells() {
		want = append(want, cell.Target())
	}
	sameNames(t, "the wheels", shown, want)
	for _, group := range m.Groups() {
		var names []string
		for _, pattern := range patterns(m, group.Targets) {
			names = append(names, expanded(pattern)...)
		}
		sameNames(t, group.Name, names, group.Targets)
	}
}

func sameNames(t *testing.T, what string, got, want []string) {
	t.Helper()
	if got, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Errorf("%s: %d names %v, want %d: %v", what, len(got), got, len(want), want)
	}
}

// expanded does what a shell does with braces.
func expanded(pattern string) []string {
	before, rest, found := strings.Cut(pattern, "{")
	if !found {
		return []string{pattern}
	}
	inside, after, _ := strings.Cut(rest, "}")
	var all []string
	for _, word := range strings.Split(inside, ",") {
		all = append(all, expanded(before+word+after)...)
	}
	return all
}

func TestBuildMatrixSaysWhichWheelToTake(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	text := string(BuildMatrix(m, k))
	for sm, want := range map[matrix.SM]string{
		{Major: 7}:            "| instead of CUDA 13.0 13.2: the torch's wheel for CUDA 12.6 12.8 12.9 if it has one, else the universal wheel |",
		{Major: 12}:           "| instead of CUDA 12.6: the torch's wheel for CUDA 12.8 12.9 13.0 13.2 if it has one, else the universal wheel |",
		{Major: 9}:            "| CUDA 12.6 12.8 12.9 13.0 13.2, universal | - |",
		{Major: 10, Minor: 3}: "| B300, GB300 | CUDA 12.8 12.9 13.0 13.2, universal (that of 10.0) |",
		{Major: 12, Minor: 1}: "| DGX Spark | CUDA 12.9 13.0 13.2, universal (that of 12.0, and of 12.1a) |",
	} {
		_, row, _ := strings.Cut(text, "\n| "+sm.String()+" | ")
		if row, _, _ = strings.Cut(row, "\n"); !strings.Contains("| "+row, want) {
			t.Errorf("the row of %s is %q, want %q in it", sm, row, want)
		}
	}
	for _, sm := range m.Capabilities() {
		if row := "| " + sm.String() + " | " + orNone(strings.Join(m.GPUs(sm), ", ")) + " |"; !strings.Contains(text, row) {
			t.Errorf("BUILD_MATRIX.md lacks the row %q", row)
		}
	}
}

func TestBuildMatrixShowsPlatformsAndRules(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	text := string(BuildMatrix(m, k))
	for _, platform := range m.Platforms() {
		if _, known := whereTestsRun[platform.Emulator]; !known || !strings.Contains(text, "| "+platform.Name+" | `"+platform.Tag+"` |") {
			t.Errorf("BUILD_MATRIX.md does not say what ran of %s", platform.Name)
		}
	}
	for _, rule := range m.Rules() {
		if !strings.Contains(text, rule.Text+" | "+rule.Source+" |") {
			t.Errorf("BUILD_MATRIX.md lacks the rule %q with its source", rule.Text)
		}
	}
	if want := "- sageattention, CUDA 12.6 leaves out 10.0: 10.0 needs CUDA 12.8 or newer ("; !strings.Contains(text, want) {
		t.Errorf("BUILD_MATRIX.md lacks %q", want)
	}
}

func TestTablesHaveEqualRows(t *testing.T) {
	_, k := matrixtest.Definition(t, sourceDir)
	columns := 0
	for number, line := range strings.Split(string(BuildMatrix(matrixtest.WithTorch299(t, sourceDir), k)), "\n") {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		count := strings.Count(line, "|")
		if columns != 0 && count != columns {
			t.Errorf("line %d has %d columns, the table %d: %s", number+1, count-1, columns-1, line)
		}
		columns = count
	}
}
