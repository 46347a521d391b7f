package matrix

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// universal is the last word of the target of a universal wheel, and the name of the group of all universal wheels.
const universal = "universal"

// readUniversal appends the cell of every universal block, in order.
func (m *Matrix) readUniversal(r *reader, blocks []universalSchema) {
	targets := map[string]hcl.Range{}
	for _, block := range blocks {
		if cell, ok := m.readUniversalCell(r, block); ok && r.unique(targets, "target", cell.Target(), block.DefRange) {
			m.cells = append(m.cells, cell)
		}
	}
}

func (m *Matrix) readUniversalCell(r *reader, block universalSchema) (cell Cell, ok bool) {
	before := len(r.errs)
	cell.Universal = true
	cell.Package, cell.Platform = m.readPackage(r, block.Package), m.platform(r, r.text(block.Platform))
	torch := r.version(r.text(block.Torch), 2, 2)
	python := r.version(r.text(block.Python), 2, 2)
	cuda := r.version(r.text(block.CUDA), 2, 3)
	cell.Torch, cell.Python, cell.CUDA = torch.value, python.value, cuda.value
	if len(r.errs) > before {
		return cell, false
	}
	r.checkOldest(cell.Package, "torch", torch)
	r.checkOldest(cell.Package, "python", python)
	r.checkOldest(cell.Package, "cuda", cuda)
	build := m.chooseSMs(r, cell.Package, cuda)
	cell.SMs, cell.PTX, cell.Excluded = build.sms, build.ptx, build.excluded
	m.readRuntimes(r, &cell, block)
	return cell, len(r.errs) == before
}

// readRuntimes reads the runtimes that a universal wheel is tested on. The wheel must promise each torch and Python,
// and the torch must be built for the Python.
func (m *Matrix) readRuntimes(r *reader, cell *Cell, block universalSchema) {
	if len(block.Tests) == 0 {
		r.fail(block.DefRange, "add the block: test { torch = … python = … }", "a universal wheel that is tested on nothing")
	}
	for _, test := range block.Tests {
		torch := r.version(r.text(test.Torch), 3, 3)
		python := r.version(r.text(test.Python), 2, 2)
		on := Runtime{torch.value, python.value}
		switch {
		case torch.value.IsZero() || python.value.IsZero(): // already reported
			continue
		case torch.value.Compare(cell.Torch) < 0:
			r.fail(torch.at, "", "torch %s is older than the %s that this wheel asks for", torch.value, cell.Torch)
		case python.value.Compare(cell.Python) < 0:
			r.fail(python.at, "", "Python %s is older than the %s that this wheel asks for", python.value, cell.Python)
		case slices.ContainsFunc(cell.Runtimes, func(other Runtime) bool { return cell.TestTarget(other) == cell.TestTarget(on) }):
			r.fail(torch.at, "remove one of them", "two tests with the target %s", cell.TestTarget(on))
		}
		if release := m.knownTorch(r, torch); release != nil {
			r.checkPython(release, torch.value, python)
		}
		cell.Runtimes = append(cell.Runtimes, on)
	}
}
