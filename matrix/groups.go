package matrix

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

const (
	testPrefix   = "test-"
	defaultGroup = "default"
	stableGroup  = "stable"
	testAllGroup = testPrefix + "all"
)

// Group is a name for several targets.
type Group struct {
	Name    string   `json:"name"`
	Targets []string `json:"targets"`
}

// Groups lists default, <package>-all, pytorchNN, pythonNNN, stable and test-all, in that order.
func (m *Matrix) Groups() []Group { return slices.Clone(m.groups) }

// readGroups derives the groups from the cells. chosen is the definition's `default` attribute, a target;
// without one the newest stable target is the default.
func (m *Matrix) readGroups(r *reader, chosen hcl.Expression) {
	stable := m.stable()
	name := r.optional(chosen)
	if name.value == "" {
		name.value = stable[len(stable)-1]
	} else if _, ok := m.cell(name.value); !ok {
		r.fail(name.at, didYouMean(name.value, m.targets()), "default names no target of this definition: %q", name.value)
	}
	groups := []Group{{Name: defaultGroup, Targets: []string{name.value}}}
	groups = append(groups, m.groupBy(func(c Cell) string { return c.Package.Name + "-all" }, inOrder)...)
	groups = append(groups, m.groupBy(func(c Cell) string { return "pytorch" + c.Torch.Minor().Digits() }, byTorch)...)
	groups = append(groups, m.groupBy(func(c Cell) string { return "python" + c.Python.Digits() }, byPython)...)
	groups = append(groups, Group{Name: stableGroup, Targets: stable})
	m.groups = append(groups, Group{Name: testAllGroup, Targets: m.testTargets()})
}

func inOrder(Cell, Cell) int { return 0 }
func byTorch(a, b Cell) int  { return a.Torch.Minor().Compare(b.Torch.Minor()) }
func byPython(a, b Cell) int { return a.Python.Compare(b.Python) }
func byCUDA(a, b Cell) int   { return a.CUDA.Compare(b.CUDA) }
func newerCell(a, b Cell) int {
	for _, order := range []int{a.Torch.Compare(b.Torch), byCUDA(a, b), byPython(a, b)} {
		if order != 0 {
			return order
		}
	}
	return 0
}

// groupBy makes one group for each key, the groups sorted by compare, the targets in matrix order.
func (m *Matrix) groupBy(key func(Cell) string, compare func(a, b Cell) int) []Group {
	cells := m.Cells()
	slices.SortStableFunc(cells, compare)
	var groups []Group
	for _, cell := range cells {
		at := slices.IndexFunc(groups, func(g Group) bool { return g.Name == key(cell) })
		if at < 0 {
			at = len(groups)
			groups = append(groups, Group{Name: key(cell)})
		}
		groups[at].Targets = append(groups[at].Targets, cell.Target())
	}
	return groups
}

// stable is one target for each package, platform and torch, old to new: its newest CUDA and Python.
func (m *Matrix) stable() []string {
	cells := m.Cells()
	slices.SortStableFunc(cells, newerCell)
	slices.Reverse(cells)
	type key struct{ pkg, platform, torch string }
	seen := map[key]bool{}
	var targets []string
	for _, cell := range cells {
		k := key{cell.Package.Name, cell.Platform.Name, cell.Torch.Minor().String()}
		if !seen[k] {
			targets = append(targets, cell.Target())
		}
		seen[k] = true
	}
	slices.Reverse(targets)
	return targets
}

func (m *Matrix) targets() []string {
	names := make([]string, len(m.cells))
	for i, cell := range m.cells {
		names[i] = cell.Target()
	}
	return names
}

func (m *Matrix) testTargets() []string {
	names := m.targets()
	for i := range names {
		names[i] = testPrefix + names[i]
	}
	return names
}

// cell finds a cell by the name of its target.
func (m *Matrix) cell(target string) (Cell, bool) {
	at := slices.IndexFunc(m.cells, func(c Cell) bool { return c.Target() == target })
	if at < 0 {
		return Cell{}, false
	}
	return m.cells[at], true
}
