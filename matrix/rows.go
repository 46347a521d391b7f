package matrix

import "slices"

// Row is what differs in Python alone: the wheels of a package, platform, torch and CUDA.
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

// Name is the begin of the targets of the row's cells: linux-sage2-pytorch28-cu129; of a universal wheel the target.
func (r Row) Name() string { return r.Cells[0].rowName() }

// First is a cell of the row, for what all have in common.
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

// TestTargets lists the targets that test its wheels.
func (r Row) TestTargets() []string { return testTargets(r.Cells) }
