package bake

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Part is native code that wheels share: kernels of one SM, compiled by the NVRTC of one CUDA, or the host library of
// one platform. A part can be built alone and left in a cache, from which whatever packs wheels takes it.
type Part struct {
	Name     string     `json:"name"`               // kernels-cu129-sm90, host-linux
	CUDA     string     `json:"cuda,omitempty"`     // of kernels: the toolkit, 12.9
	SM       *matrix.SM `json:"sm,omitempty"`       // of kernels
	Platform string     `json:"platform,omitempty"` // of a host library
	Stage    string     `json:"stage"`

	cell      matrix.Cell // a cell whose wheel holds the part
	steps     []string    // the stages that make it
	arguments []argument
}

// partsOf lists the parts of a cell's wheel: kernels from old SMs to new, then the host library. The shares are those
// of the whole matrix.
func partsOf(m *matrix.Matrix, shares []share, cell matrix.Cell) []Part {
	var parts []Part
	for _, s := range heldBy(shares, cell.Package, cell.SMs) {
		parts = append(parts, kernelsPart(m, cell, s))
	}
	return append(parts, hostPart(cell))
}

// kernelsPart is what the cell's CUDA makes of a share. The part's arguments are those that its stages read.
func kernelsPart(m *matrix.Matrix, cell matrix.Cell, s share) Part {
	cuda := cell.CUDA.Minor()
	return Part{
		Name: "kernels-cu" + cuda.Digits() + strings.TrimPrefix(s.stage(), "kernels"),
		CUDA: cuda.String(), SM: &s.sm, Stage: s.stage() + "-build", cell: cell,
		arguments: []argument{{"CUDA_DIGITS", cuda.Digits()}, {"PTX_SM", m.PTXOf(cell.CUDA).String()}},
		steps:     append(compilerSteps(s.whole()), kernelStages(s.whole())...),
	}
}

func hostPart(cell matrix.Cell) Part {
	platform := cell.Platform
	return Part{
		Name: "host-" + platform.Name, Platform: platform.Name, cell: cell, Stage: stageHost,
		arguments: []argument{{"HOST_TARGET", platform.HostTarget()}, {"LIBRARY", platform.Library}},
		steps:     []string{"system", "uv", "host-toolchain", stageHost},
	}
}

// PartNames names for each cell the parts of its wheel.
func PartNames(m *matrix.Matrix, k *kernels.Set, cells []matrix.Cell) [][]string {
	all := make([][]string, len(cells))
	shares := sharesOf(m, k)
	for i, cell := range cells {
		all[i] = namesOf(partsOf(m, shares, cell))
	}
	return all
}

func namesOf(parts []Part) []string {
	names := make([]string, len(parts))
	for i, part := range parts {
		names[i] = part.Name
	}
	return names
}

// Parts lists what the wheels of some cells share, each part once: kernels by CUDA and SM, then host libraries.
func Parts(m *matrix.Matrix, k *kernels.Set, cells []matrix.Cell) []Part {
	var parts []Part
	seen := map[string]bool{}
	shares := sharesOf(m, k)
	for _, cell := range cells {
		for _, part := range partsOf(m, shares, cell) {
			if !seen[part.Name] {
				seen[part.Name] = true
				parts = append(parts, part)
			}
		}
	}
	slices.SortStableFunc(parts, Part.compare)
	return parts
}

func (p Part) compare(other Part) int {
	switch {
	case p.SM == nil && other.SM == nil:
		return 0
	case p.SM == nil:
		return 1
	case other.SM == nil:
		return -1
	}
	if order := p.cell.CUDA.Minor().Compare(other.cell.CUDA.Minor()); order != 0 {
		return order
	}
	return p.SM.Compare(*other.SM)
}

// SelectParts finds the parts that names mean: parts, patterns of parts as path.Match knows them, and the targets and
// groups of the matrix, which mean all parts of their wheels. No name at all means every part.
func SelectParts(m *matrix.Matrix, k *kernels.Set, names []string) ([]Part, error) {
	all := Parts(m, k, m.Cells())
	if len(names) == 0 {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, name := range names {
		matched := matchParts(all, name)
		if len(matched) == 0 {
			cells, err := selectCells(m, all, name)
			if err != nil {
				return nil, err
			}
			matched = namesOf(Parts(m, k, cells))
		}
		for _, part := range matched {
			wanted[part] = true
		}
	}
	return slices.DeleteFunc(all, func(p Part) bool { return !wanted[p.Name] }), nil
}

// matchParts names the parts that a pattern matches. Select says what is wrong with a malformed pattern.
func matchParts(all []Part, pattern string) []string {
	return slices.DeleteFunc(namesOf(all), func(name string) bool {
		ok, err := path.Match(pattern, name)
		return err != nil || !ok
	})
}

// selectCells finds the cells of a target or group that is not a part; the error of an unknown name may suggest a part.
func selectCells(m *matrix.Matrix, all []Part, name string) ([]matrix.Cell, error) {
	selection, err := m.Select([]string{name})
	if err != nil {
		if near := diag.Suggest(name, namesOf(all)); near != "" && !strings.ContainsAny(name, "*?[") {
			return nil, diag.Usagef("did you mean "+near+"?", "unknown part %q", name)
		}
		return nil, err
	}
	return cellsOf(selection), nil
}

func cellsOf(selection []matrix.Selection) []matrix.Cell {
	cells := make([]matrix.Cell, len(selection))
	for i, selected := range selection {
		cells[i] = selected.Cell
	}
	return cells
}

// NewPartPlan lists what building the parts does, in their order.
func NewPartPlan(m *matrix.Matrix, k *kernels.Set, parts []Part, options PlanOptions) (*Plan, error) {
	if err := k.Check(m); err != nil {
		return nil, err
	}
	plan := &Plan{Command: options.Command, Matrix: m.File(), Targets: []Target{}}
	for _, part := range parts {
		plan.Targets = append(plan.Targets, newPartTarget(part, options))
	}
	return plan, nil
}

func newPartTarget(part Part, options PlanOptions) Target {
	selected := matrix.Selection{Cell: part.cell}
	target := Target{
		Name: part.Name, Cell: part.Name, Platform: part.Platform, CUDA: part.CUDA, Stage: part.Stage, Parts: []string{part.Name},
		Args: map[string]string{copyEpoch: SourceDateEpoch}, Contexts: options.contexts(selected),
		SMs: []matrix.SM{}, Excluded: []Exclusion{}, Shared: []Shared{}, Steps: part.steps, Selection: selected,
	}
	if part.SM != nil {
		target.SMs = []matrix.SM{*part.SM}
	}
	for _, a := range part.arguments {
		target.Args[a.name] = a.value
	}
	return target
}

// IsPart says whether the target is a part alone, and makes no wheel.
func (t Target) IsPart() bool { return t.Wheel == "" }

// importParts lets every target take its parts from directories, in the place of the stages that make them.
func (p *Plan) importParts(parts []Part, options PlanOptions) {
	stages := map[string]string{}
	for _, part := range parts {
		stages[part.Name] = part.Stage
		p.Imports = append(p.Imports, newPartTarget(part, options))
	}
	for _, target := range p.Targets {
		for _, name := range target.Parts {
			target.Contexts[stages[name]] = Context{Reference: filepath.Join(options.PartsDir, name)}
		}
	}
}
