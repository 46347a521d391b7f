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

	currentGroup    = "current"    // of the newest torch, on every platform
	everythingGroup = "everything" // all wheels, the universal ones too
)

// Group is a name for several targets.
type Group struct {
	Name    string   `json:"name"`
	Targets []string `json:"targets"`
}

// Groups lists default, <package>-all, pytorchNN, pythonNNN, stable, test-all, current and everything, then universal,
// <package>-universal and <platform>-all with their tests, then the groups that only the definition names, and
// test-<package>-all. The groups current, everything, universal and <package>-universal hold cells of all platforms. Any
// other group whose name says no platform holds cells of the default target's platform alone.
func (m *Matrix) Groups() []Group { return slices.Clone(m.groups) }

// deriveGroups makes the groups that follow from the cells. chosen is the definition's `default` attribute, a target;
// without the attribute the newest stable target of the first cell's platform is the default.
func (m *Matrix) deriveGroups(r *reader, chosen hcl.Expression) {
	home := m.cells[0].Platform.Name
	name := r.optional(chosen)
	if cell, ok := m.cell(name.value); ok {
		home = cell.Platform.Name
	} else if name.value != "" {
		r.fail(name.at, didYouMean(name.value, m.targets()), "default names no target of this definition: %q", name.value)
	}
	ofOneTorch := m.cellsWhere(func(c Cell) bool { return !c.Universal })
	cells := cellsWhere(ofOneTorch, func(c Cell) bool { return c.Platform.Name == home })
	stable := stableOf(cells)
	if name.value == "" {
		name.value = stable[len(stable)-1]
	}
	groups := []Group{{Name: defaultGroup, Targets: []string{name.value}}}
	groups = append(groups, groupBy(cells, func(c Cell) string { return c.Package.Name + "-all" }, inOrder)...)
	groups = append(groups, groupBy(cells, func(c Cell) string { return "pytorch" + c.Torch.Minor().Digits() }, byTorch)...)
	groups = append(groups, groupBy(cells, func(c Cell) string { return "python" + c.Python.Digits() }, byPython)...)
	groups = append(groups, Group{Name: stableGroup, Targets: stable}, Group{Name: testAllGroup, Targets: testTargets(cells)})
	groups = append(groups, Group{currentGroup, targetsOf(newestTorch(ofOneTorch))}, Group{everythingGroup, m.targets()})
	groups = append(groups, m.universalGroups()...)
	groups = append(groups, m.platformGroups()...)
	m.groups = slices.DeleteFunc(groups, func(g Group) bool { return len(g.Targets) == 0 })
}

// readGroups reads the groups that the definition writes out. A written group replaces the derived group of the same
// name, and keeps its members when cells join the matrix.
func (m *Matrix) readGroups(r *reader, blocks []groupSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		r.name("group", groupPattern, block.Name, block.NameRange)
		r.unique(seen, "group", block.Name, block.NameRange)
		group := Group{Name: block.Name}
		for _, target := range r.list(block.Targets) {
			if _, known := m.selection(target.value); !known && target.value != "" {
				r.fail(target.at, didYouMean(target.value, m.names()), "group %s names no target of this definition: %q", block.Name, target.value)
			}
			group.Targets = append(group.Targets, target.value)
		}
		if at := slices.IndexFunc(m.groups, func(g Group) bool { return g.Name == group.Name }); at >= 0 {
			m.groups[at] = group
		} else {
			m.groups = append(m.groups, group)
		}
	}
	m.addPackageTests()
}

// addPackageTests adds test-<package>-all for each <package>-all, whether that is written or derived.
func (m *Matrix) addPackageTests() {
	for _, pkg := range m.packages {
		name := pkg.Name + "-all"
		at := slices.IndexFunc(m.groups, func(g Group) bool { return g.Name == name })
		known := slices.ContainsFunc(m.groups, func(g Group) bool { return g.Name == testPrefix+name })
		if at < 0 || known {
			continue
		}
		members := m.groups[at].Targets
		cells := m.cellsWhere(func(c Cell) bool { return slices.Contains(members, c.Target()) })
		if tests := testTargets(cells); len(tests) > 0 {
			m.groups = append(m.groups, Group{testPrefix + name, tests})
		}
	}
}

// universalGroups are universal and <package>-universal with their tests and, for each universal wheel, the group of its
// tests.
func (m *Matrix) universalGroups() []Group {
	cells := m.cellsWhere(func(c Cell) bool { return c.Universal })
	groups := withTests(universal, cells)
	for _, pkg := range m.packages {
		own := cellsWhere(cells, func(c Cell) bool { return c.Package.Name == pkg.Name })
		groups = append(groups, withTests(pkg.Name+"-"+universal, own)...)
	}
	for _, cell := range cells {
		groups = append(groups, Group{Name: testPrefix + cell.Target(), Targets: cell.TestTargets()})
	}
	return groups
}

// platformGroups are <platform>-all and test-<platform>-all for each platform.
func (m *Matrix) platformGroups() []Group {
	var groups []Group
	for _, platform := range m.platforms {
		cells := m.cellsWhere(func(c Cell) bool { return c.Platform.Name == platform.Name })
		groups = append(groups, withTests(platform.Name+"-all", cells)...)
	}
	return groups
}

// withTests makes the group of some cells, and the group of the tests of the same cells.
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
	place := map[string]int{}
	for _, cell := range cells {
		name := key(cell)
		if _, known := place[name]; !known {
			place[name] = len(groups)
			groups = append(groups, Group{Name: name})
		}
		group := &groups[place[name]]
		group.Targets = append(group.Targets, cell.Target())
	}
	return groups
}

// newestTorch lists, for each package, the cells of the package's newest torch.
func newestTorch(cells []Cell) []Cell {
	newest := map[string]Version{}
	for _, cell := range cells {
		if torch := cell.Torch.Minor(); torch.Compare(newest[cell.Package.Name]) > 0 {
			newest[cell.Package.Name] = torch
		}
	}
	return cellsWhere(cells, func(c Cell) bool { return c.Torch.Minor() == newest[c.Package.Name] })
}

// stableOf lists one target for each package and torch, old to new: the target with the newest CUDA, and then the
// newest Python, among the tested cells. Without tested cells it chooses among all cells.
func stableOf(cells []Cell) []string {
	if tested := cellsWhere(cells, func(c Cell) bool { return len(c.Runtimes) > 0 }); len(tested) > 0 {
		cells = tested
	}
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

func (m *Matrix) cellsWhere(wanted func(Cell) bool) []Cell { return cellsWhere(m.cells, wanted) }

func cellsWhere(cells []Cell, wanted func(Cell) bool) []Cell {
	return slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return !wanted(c) })
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
