package report

import (
	"github.com/sagebuild/sagebuild/matrix"
)

// GitHubLimit is the number of jobs that GitHub makes of one matrix at most (GitHub Docs, Actions limits, job matrix).
const GitHubLimit = 256

// Include is the value of a GitHub Actions `strategy.matrix`: {"include": [entry, …]}, an entry a job.
type Include[Entry any] struct {
	Entries []Entry `json:"include"`
}

// WheelEntry is one job that makes wheels. Targets and tests are what `sagebuild bake` and `sagebuild test` take,
// separated by spaces. An entry of one cell names the cell; an entry of a shard has only the values that its cells
// share, and the shard's number.
type WheelEntry struct {
	Name     string `json:"name"`
	Targets  string `json:"targets"`
	Tests    string `json:"tests"`  // empty where no wheel of the job has a test
	Wheels   string `json:"wheels"` // file names, separated by spaces
	Target   string `json:"target,omitempty"`
	Wheel    string `json:"wheel,omitempty"`
	Platform string `json:"platform,omitempty"`
	Torch    string `json:"torch,omitempty"`
	CUDA     string `json:"cuda,omitempty"`
	Python   string `json:"python,omitempty"`
	Shard    int    `json:"shard,omitempty"` // from 1
}

// NewInclude lists one entry for each cell of the selection. With shards > 0 it lists at most that many
// entries instead, cells of one CUDA side by side so that a job compiles as few sets of kernels as possible.
func NewInclude(selection []matrix.Selection, shards int) Include[WheelEntry] {
	cells := CellsOf(selection)
	if shards > 0 {
		return Include[WheelEntry]{shardEntries(cells, shards)}
	}
	entries := []WheelEntry{} // [] in JSON, never null
	for _, cell := range cells {
		entries = append(entries, cellEntry(cell))
	}
	return Include[WheelEntry]{entries}
}

func cellEntry(cell matrix.Cell) WheelEntry {
	entry := newWheelEntry(cell.Target(), []matrix.Cell{cell})
	entry.Target, entry.Wheel, entry.Platform = cell.Target(), cell.WheelName(), cell.Platform.Name
	entry.Torch, entry.CUDA, entry.Python = cell.TorchWords(), cell.CUDA.String(), cell.PythonWords()
	return entry
}

// CellsOf lists each cell of a selection once.
func CellsOf(selection []matrix.Selection) []matrix.Cell {
	var cells []matrix.Cell
	seen := map[string]bool{}
	for _, selected := range selection {
		if target := selected.Cell.Target(); !seen[target] {
			seen[target] = true
			cells = append(cells, selected.Cell)
		}
	}
	return cells
}
