package matrix

import "slices"

// Row holds the cells of one package, platform, torch and CUDA, which differ in Python alone.
type Row struct {
	Cells []Cell // never empty
}

// Rows gathers the cells, in the order of the definition. A universal wheel is a row of its own.
func (m *Matrix) Rows() []Row {
	var rows []Row
	place := map[string]int{}
	for _, cell := range m.cells {
		name := cell.rowName()
		if _, known := place[name]; !known {
			place[name] = len(rows)
			rows = append(rows, Row{})
		}
		row := &rows[place[name]]
		row.Cells = append(row.Cells, cell)
	}
	return rows
}

// Name is the prefix that the targets of the row's cells share: linux-sage2-pytorch28-cu129. The row of a universal
// wheel has the wheel's target as its name.
func (r Row) Name() string { return r.Cells[0].rowName() }

// First is the row's first cell. Callers read from it what all cells of the row have in common.
func (r Row) First() Cell { return r.Cells[0] }

// Pythons lists the Pythons of the row's wheels.
func (r Row) Pythons() []Version {
	pythons := make([]Version, len(r.Cells))
	for i, cell := range r.Cells {
		pythons[i] = cell.Python
	}
	return pythons
}

// Tested is the part of the row whose wheels are tested.
func (r Row) Tested() Row {
	return Row{slices.DeleteFunc(slices.Clone(r.Cells), func(c Cell) bool { return len(c.Runtimes) == 0 })}
}

// Targets lists the build targets of the row.
func (r Row) Targets() []string { return targetsOf(r.Cells) }

// TestTargets lists the targets that test the row's wheels.
func (r Row) TestTargets() []string { return testTargets(r.Cells) }
