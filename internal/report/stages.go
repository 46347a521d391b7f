package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Stages are two lists of jobs for GitHub: those that compile parts, and those that make wheels of the parts.
type Stages struct {
	Parts Include[PartEntry]  `json:"parts"`
	Cells Include[WheelEntry] `json:"cells"`
}

// PartEntry is one job that compiles. Parts are what `sagebuild compile` takes, separated by spaces. An entry of one
// part says what the part is; an entry of a shard has the shard's number instead.
type PartEntry struct {
	Name     string     `json:"name"`
	Parts    string     `json:"parts"`
	CUDA     string     `json:"cuda,omitempty"`
	SM       *matrix.SM `json:"sm,omitempty"`
	Platform string     `json:"platform,omitempty"`
	Shard    int        `json:"shard,omitempty"` // from 1
}

// NewStages lists an entry for each part that the selection's wheels need, and for each cell. With shards > 0 each of
// the lists has at most that many entries; parts of one CUDA come side by side, so that few jobs install its compiler.
func NewStages(m *matrix.Matrix, k *kernels.Set, selection []matrix.Selection, shards int) Stages {
	parts := bake.Parts(m, k, CellsOf(selection))
	entries := []PartEntry{}
	if shards <= 0 {
		for _, part := range parts {
			entries = append(entries, PartEntry{Name: part.Name, Parts: part.Name, CUDA: part.CUDA, SM: part.SM, Platform: part.Platform})
		}
	} else {
		runs := cut(parts, shards)
		for i, run := range runs {
			entries = append(entries, PartEntry{Name: shardName(i, len(runs)), Parts: strings.Join(partNames(run), " "), Shard: i + 1})
		}
	}
	return Stages{Include[PartEntry]{entries}, NewInclude(selection, shards)}
}

func partNames(parts []bake.Part) []string {
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = part.Name
	}
	return names
}

// Sharing says which native code the wheels of a selection share.
type Sharing struct {
	Parts []bake.Part   `json:"parts"`
	Cells []CellSharing `json:"cells"`
}

// CellSharing is a wheel and the parts in it, by name.
type CellSharing struct {
	Target string   `json:"target"`
	Wheel  string   `json:"wheel"`
	Parts  []string `json:"parts"`
}

// NewSharing lists the parts and the cells of a selection.
func NewSharing(m *matrix.Matrix, k *kernels.Set, selection []matrix.Selection) Sharing {
	cells := CellsOf(selection)
	sharing := Sharing{Parts: bake.Parts(m, k, cells)}
	for i, names := range bake.PartNames(m, k, cells) {
		sharing.Cells = append(sharing.Cells, CellSharing{cells[i].Target(), cells[i].WheelName(), names})
	}
	return sharing
}

// WriteText writes a table of the parts with the number of wheels that hold each.
func (s Sharing) WriteText(w io.Writer, color bool) error {
	table := &ui.Table{Header: []string{"part", "cuda", "sm", "platform", "stage", "wheels"}}
	for _, part := range s.Parts {
		sm := ""
		if part.SM != nil {
			sm = part.SM.String()
		}
		table.Add(ui.Text(part.Name), ui.Text(orDash(part.CUDA)), ui.Text(orDash(sm)), ui.Text(orDash(part.Platform)),
			ui.Text(part.Stage), ui.Number(fmt.Sprint(s.wheelsWith(part.Name))))
	}
	return table.Write(w, color)
}

func (s Sharing) wheelsWith(part string) int {
	count := 0
	for _, cell := range s.Cells {
		if slices.Contains(cell.Parts, part) {
			count++
		}
	}
	return count
}
