package report

import (
	"github.com/sagebuild/sagebuild/matrix"
)

// Include is the value of a GitHub Actions `strategy.matrix`: {"include": [entry, …]}.
type Include struct {
	Entries []IncludeEntry `json:"include"`
}

// IncludeEntry is one job. Targets and tests are what `sagebuild bake` and `sagebuild test` take, separated by
// spaces. An entry of one cell names the cell; an entry of a shard has only the values that its cells share, and the
// shard's number.
type IncludeEntry struct {
	Name     string `json:"name"`
	Targets  string `json:"targets"`
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
func NewInclude(selection []matrix.Selection, shards int) Include {
	cells := CellsOf(selection)
	if shards > 0 {
		return Include{shardEntries(cells, shards)}
	}
	entries := []IncludeEntry{} // [] in JSON, never null
	for _, cell := range cells {
		entries = append(entries, IncludeEntry{
			Name: cell.Target(), Targets: cell.Target(), Wheels: cell.WheelName(),
			Target: cell.Target(), Wheel: cell.WheelName(), Platform: cell.Platform.Name,
			Torch: cell.TorchWords(), CUDA: cell.CUDA.String(), Python: cell.PythonWords(),
		})
	}
	return Include{entries}
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
