package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const sourceDir = "../.."

func definition(t *testing.T, path string) (*matrix.Matrix, *kernels.Set) {
	t.Helper()
	m, err := matrix.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernels.Read(sourceDir)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

func TestCommittedFilesAreFresh(t *testing.T) {
	files, err := Generate(definition(t, ""))
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

func TestBuildMatrixShowsEveryCell(t *testing.T) {
	m, _ := definition(t, "")
	text := string(BuildMatrix(m))
	for _, cell := range m.Cells() {
		for _, want := range []string{"`" + cell.Target() + "`", "`" + cell.WheelName() + "`", "sagebuild bake " + cell.Target() + "\n"} {
			if !strings.Contains(text, want) {
				t.Errorf("BUILD_MATRIX.md lacks %s", want)
			}
		}
	}
	for _, sm := range m.Capabilities() {
		if row := "| " + sm.String() + " | " + strings.Join(m.GPUs(sm), ", ") + " |"; !strings.Contains(text, row) {
			t.Errorf("BUILD_MATRIX.md lacks the row %q", row)
		}
	}
	for _, platform := range m.Platforms() {
		if _, known := whereTestsRun[platform.Emulator]; !known || !strings.Contains(text, "| "+platform.Name+" | on linux/amd64;") {
			t.Errorf("BUILD_MATRIX.md does not say what ran of %s", platform.Name)
		}
	}
	for _, rule := range m.Rules() {
		if !strings.Contains(text, rule.Text+" | "+rule.Source+" |") {
			t.Errorf("BUILD_MATRIX.md lacks the rule %q with its source", rule.Text)
		}
	}
	if want := "- CUDA 12.6 leaves out 10.0: 10.0 needs CUDA 12.8 or newer ("; !strings.Contains(text, want) {
		t.Errorf("BUILD_MATRIX.md lacks %q", want)
	}
}

func TestTablesHaveEqualRows(t *testing.T) {
	m := matrixtest.WithTorch216(t, sourceDir)
	columns := 0
	for number, line := range strings.Split(string(BuildMatrix(m)), "\n") {
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
