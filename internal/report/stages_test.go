package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
)

func stages(t *testing.T, names string, shards int) Stages {
	t.Helper()
	m, k := matrixtest.Definition(t, sourceDir)
	selection, err := m.Select(strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	return NewStages(m, k, selection, shards)
}

func TestStagesHaveAJobForEachPartAndCell(t *testing.T) {
	got := stages(t, "sage2-all", 0)
	if len(got.Parts.Entries) != 7+11+12+1 || len(got.Cells.Entries) != 10 {
		t.Fatalf("%d parts, %d cells", len(got.Parts.Entries), len(got.Cells.Entries))
	}
	first, last := got.Parts.Entries[0], got.Parts.Entries[30]
	if first.Name != "kernels-cu126-sm70" || first.Parts != first.Name || first.CUDA != "12.6" || first.SM.String() != "7.0" {
		t.Errorf("first part %+v", first)
	}
	if last.Name != "host-linux" || last.Platform != "linux" || last.SM != nil {
		t.Errorf("last part %+v", last)
	}
}

// However many shards there are, each part is compiled by one of them, and every part of a wheel by some.
func TestShardsCompileEveryPartOnce(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	selection, _ := m.Select([]string{"everything"})
	for _, shards := range []int{1, 5, 20, 200} {
		var compiled []string
		got := NewStages(m, k, selection, shards)
		for _, entry := range got.Parts.Entries {
			compiled = append(compiled, strings.Fields(entry.Parts)...)
		}
		if len(got.Parts.Entries) > shards || len(got.Cells.Entries) > shards {
			t.Errorf("%d and %d entries for %d shards", len(got.Parts.Entries), len(got.Cells.Entries), shards)
		}
		for _, cell := range NewSharing(m, k, selection).Cells {
			for _, part := range cell.Parts {
				if !slices.Contains(compiled, part) {
					t.Errorf("%d shards: no job compiles %s of %s", shards, part, cell.Target)
				}
			}
		}
		count := len(compiled)
		slices.Sort(compiled)
		if len(slices.Compact(compiled)) != count {
			t.Errorf("%d shards compile some part twice", shards)
		}
	}
}
