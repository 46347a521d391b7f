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

// Groups lists default, <package>-all, pytorchNN, pythonNNN, stable, test-all, and then universal and <platform>-all with
// their tests. The groups whose names say no platform hold the platform of the default target.
func (m *Matrix) Groups() []Group { return slices.Clone(m.groups) }

// readGroups derives the groups from the cells. chosen is the definition's `default` attribute, a target;
// without one the newest stable target of the first cell's platform is the default.
func (m *Matrix) readGroups(r *reader, chosen hcl.Expression) {
	home := m.cells[0].Platform.Name
	name := r.optional(chosen)
	if cell, ok := m.cell(name.value); ok {
		home = cell.Platform.Name
	} else if name.value != "" {
		r.fail(name.at, didYouMean(name.value, m.targets()), "default names no target of this definition: %q", name.value)
	}
	cells := m.cellsWhere(func(c Cell) bool { return c.Platform.Name == home && !c.Universal })
	stable := stableOf(cells)
	if name.value == "" {
		name.value = stable[len(stable)-1]
	}
	groups := []Group{{Name: defaultGroup, Targets: []string{name.value}}}
	groups = append(groups, groupBy(cells, func(c Cell) string { return c.Package.Name + "-all" }, inOrder)...)
	groups = append(groups, groupBy(cells, func(c Cell) string { return "pytorch" + c.Torch.Minor().Digits() }, byTorch)...)
	groups = append(groups, groupBy(cells, func(c Cell) string { return "python" + c.Python.Digits() }, byPython)...)
	groups = append(groups, Group{Name: stableGroup, Targets: stable}, Group{Name: testAllGroup, Targets: testTargets(cells)})
	groups = append(groups, m.universalGroups()...)
	groups = append(groups, m.platformGroups(home)...)
	m.groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Targets) == 0 })
}

// universalGroups are universal, test-universal and, for each universal wheel, the group of its tests.
func (m *Matrix) universalGroups() []Group {
	cells := m.cellsWhere(func(c Cell) bool { return c.Universal })
	groups := withTests(universal, cells)
	for _, cell := range cells {
		groups = append(groups, Group{Name: testPrefix + cell.Target(), Targets: cell.TestTargets()})
	}
	return groups
}

// platformGroups are <platform>-all and test-<platform>-all for each platform but the one of the other groups.
func (m *Matrix) platformGroups(home string) []Group {
	var groups []Group
	for _, platform := range m.platforms {
		if platform.Name != home {
			cells := m.cellsWhere(func(c Cell) bool { return c.Platform.Name == platform.Name })
			groups = append(groups, withTests(platform.Name+"-all", cells)...)
		}
	}
	return groups
}

// withTests is a group and the one of its tests.
func withTests(name string, cells []Cell) []Group {
	return []Group{{name, targetsOf(cells)}, {testPrefix + name, testTargets(cells)}}
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
func groupBy(cells []Cell, key func(Cell) string, compare func(a, b Cell) int) []Group {
	cells = slices.Clone(cells)
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

// stableOf is one target for each package and torch, old to new: its newest CUDA and Python.
func stableOf(cells []Cell) []string {
	cells = slices.Clone(cells)
	slices.SortStableFunc(cells, newerCell)
	slices.Reverse(cells)
	type key struct{ pkg, torch string }
	seen := map[key]bool{}
	var targets []string
	for _, cell := range cells {
		k := key{cell.Package.Name, cell.Torch.Minor().String()}
		if !seen[k] {
			targets = append(targets, cell.Target())
		}
		seen[k] = true
	}
	slices.Reverse(targets)
	return targets
}

func (m *Matrix) cellsWhere(wanted func(Cell) bool) []Cell {
	return slices.DeleteFunc(m.Cells(), func(c Cell) bool { return !wanted(c) })
}

func (m *Matrix) targets() []string { return targetsOf(m.cells) }

func targetsOf(cells []Cell) []string {
	names := make([]string, len(cells))
	for i, cell := range cells {
		names[i] = cell.Target()
	}
	return names
}

func testTargets(cells []Cell) []string {
	var names []string
	for _, cell := range cells {
		names = append(names, cell.TestTargets()...)
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
