package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
)

func include(t *testing.T, names string, shards int) []WheelEntry {
	t.Helper()
	m, _ := matrixtest.Definition(t, sourceDir)
	selection, err := m.Select(strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	return NewInclude(selection, shards).Entries
}

func TestIncludeHasAnEntryForEachCell(t *testing.T) {
	for names, want := range map[string]int{"default": 1, "sage2-all": 10, "test-all": 10, "sage2-all test-all": 10, "stable python39": 4} {
		if got := include(t, names, 0); len(got) != want {
			t.Errorf("%s: %d entries, want %d", names, len(got), want)
		}
	}
	got := include(t, "default", 0)[0]
	want := WheelEntry{
		Name: "linux-sage2-pytorch28-cu129-python312", Target: "linux-sage2-pytorch28-cu129-python312",
		Targets: "linux-sage2-pytorch28-cu129-python312", Tests: "test-linux-sage2-pytorch28-cu129-python312",
		Wheel:  "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl",
		Wheels: "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl",
		Torch:  "2.8.0", CUDA: "12.9.1", Python: "3.12", Platform: "linux",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestShardsHoldEveryTargetOnce(t *testing.T) {
	for _, shards := range []int{1, 2, 3, 4, 7, 10, 99} {
		entries := include(t, "sage2-all", shards)
		if want := min(shards, 10); len(entries) != want {
			t.Errorf("%d entries for %d shards, want %d", len(entries), shards, want)
		}
		var targets []string
		for i, entry := range entries {
			own := strings.Fields(entry.Targets)
			if len(own) < 10/len(entries) || len(own) > 10/len(entries)+1 || entry.Shard != i+1 {
				t.Errorf("%d shards: entry %+v", shards, entry)
			}
			if len(strings.Fields(entry.Wheels)) != len(own) {
				t.Errorf("%d shards: %d wheels for %d targets", shards, len(strings.Fields(entry.Wheels)), len(own))
			}
			targets = append(targets, own...)
		}
		slices.Sort(targets)
		if len(slices.Compact(targets)) != 10 {
			t.Errorf("%d shards hold %v", shards, targets)
		}
	}
}

// Three shards are one for each CUDA, give or take the cell that makes them even: no job compiles all three sets.
func TestShardsKeepACUDATogether(t *testing.T) {
	for _, entry := range include(t, "sage2-all", 3) {
		cudas := map[string]bool{}
		for _, target := range strings.Fields(entry.Targets) {
			cudas[strings.Split(target, "-")[3]] = true
		}
		if len(cudas) > 2 {
			t.Errorf("%s needs %v", entry.Name, cudas)
		}
	}
}

func TestEmptyIncludeIsAList(t *testing.T) {
	for _, shards := range []int{0, 3} {
		content, err := json.Marshal(NewInclude(nil, shards))
		if err != nil || string(content) != `{"include":[]}` {
			t.Errorf("got %s, %v", content, err)
		}
	}
}
