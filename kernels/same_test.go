package kernels

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

// An SM with the code of another is compiled only for targets with a suffix, and needs no attention of its own.
func TestAnSMRunsTheSameCode(t *testing.T) {
	m, k := defaults(t)
	if err := k.Check(m); err != nil {
		t.Fatal(err)
	}
	spark, older := matrix.SM{Major: 12, Minor: 1}, matrix.SM{Major: 12}
	for _, source := range k.For(spark) {
		if source.Suffix != "a" || !slices.Contains(source.SMs, spark) {
			t.Errorf("%s is compiled for %s", source.File, spark)
		}
	}
	for _, source := range k.Sources {
		if slices.Contains(source.SMs, spark) != slices.Contains(source.SMs, older) {
			t.Errorf("%s is for one of %s and %s", source.File, older, spark)
		}
	}
	targets := k.Targets([]matrix.SM{older, spark})
	if _, own := targets[Arch{SM: spark}]; own || len(targets[Arch{SM: older}]) == 0 || len(targets[Arch{spark, "a"}]) == 0 {
		t.Errorf("targets %v", targets)
	}
	if names := k.Names([]matrix.SM{older, spark}); !slices.Contains(names, "mean@12.0") || !slices.Contains(names, "attention_fp4_hd64") {
		t.Errorf("names %v", names)
	}
	if names := k.Names([]matrix.SM{{Major: 9}, older, spark}); !slices.Contains(names, "mean@-12.1") {
		t.Errorf("names %v", names)
	}
}

func defaultDefinition(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(sourceDir, "matrix/default.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func same(of, sm string) string { return "[[same]]\nsm = \"" + sm + "\"\nof = \"" + of + "\"\n" }

func TestRowsOfTheSameCodeAreChecked(t *testing.T) {
	m, k := defaults(t)
	row := same("12.0", "12.1")
	for rows, message := range map[string]string{
		same("9.0", "12.1"):        "SM 12.1 does not load the code of 9.0",
		same("12.1", "12.0"):       "SM 12.0 does not load the code of 12.1",
		row + same("12.0", "12.1"): "SM 12.1 has two rows [[same]]",
		same("8.6", "8.9"):         "SM 8.9 would load the code of 8.7, not of 8.6",
	} {
		broken, err := parse([]byte(strings.Replace(string(k.content), row, rows, 1)))
		if err == nil {
			err = broken.Check(m)
		}
		if err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", rows, err, message)
		}
	}
	chain := &Set{Sames: []Same{{matrix.SM{Major: 8, Minor: 6}, matrix.SM{Major: 8}}, {matrix.SM{Major: 8, Minor: 7}, matrix.SM{Major: 8, Minor: 6}}}}
	if err := chain.checkSames(); err == nil || !strings.Contains(err.Error(), "which has that of another SM itself") {
		t.Errorf("a chain: %v", err)
	}
}

// A wheel that leaves out the older SM would have nothing that a GPU of the newer one loads.
func TestTheOlderSMIsInTheWheel(t *testing.T) {
	_, k := defaults(t)
	for _, without := range []string{`"12.0"`, `"12.1"`} {
		text := strings.Replace(defaultDefinition(t), `only   = ["10.0", "12.0", "12.1"]`, `only   = ["10.0", `+without+`]`, 1)
		m, err := matrix.Parse("my.hcl", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = k.Check(m)
		if wrong := without == `"12.1"`; wrong != (err != nil && strings.Contains(err.Error(), "is for SM 12.1 without the code that it has of 12.0")) {
			t.Errorf("only %s: %v", without, err)
		}
	}
}
