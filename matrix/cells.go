package matrix

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// readCells expands every cells block, in order. end is where a file without any is said to be incomplete.
func (m *Matrix) readCells(r *reader, blocks []cellsSchema, end hcl.Range) {
	if len(blocks) == 0 {
		r.fail(end, "add a cells block; docs/adding.md shows one", "the definition has no cells")
	}
	targets := map[string]hcl.Range{}
	for _, block := range blocks {
		cell, ok := m.readCell(r, block)
		pythons := m.readPythons(r, cell.Torch, block.Python)
		if !ok {
			continue
		}
		for _, python := range pythons {
			cell.Python = python.value
			cell.Runtimes = []Runtime{{cell.Torch, cell.Python}}
			if r.unique(targets, "target", cell.Target(), python.at) {
				m.cells = append(m.cells, cell)
			}
		}
	}
}

// readCell reads what the cells of one block share, and checks torch and CUDA against each other.
func (m *Matrix) readCell(r *reader, block cellsSchema) (cell Cell, ok bool) {
	before := len(r.errs)
	m.readPlace(r, &cell, block.Package, block.Platform)
	torch := r.version(r.text(block.Torch), 3, 3)
	cuda := r.version(r.text(block.CUDA), 2, 3)
	cell.Torch, cell.CUDA = torch.value, cuda.value
	if len(r.errs) > before {
		return cell, false
	}
	m.checkTorch(r, torch, cuda)
	m.chooseSMs(r, &cell, cuda)
	return cell, len(r.errs) == before
}

// readPlace reads the blocks that a cell refers to.
func (m *Matrix) readPlace(r *reader, cell *Cell, pkg, platform hcl.Expression) {
	cell.Package = pick(r, "package", r.text(pkg), m.packages, func(p Package) string { return p.Name })
	cell.Platform = pick(r, "platform", r.text(platform), m.platforms, func(p Platform) string { return p.Name })
}

// chooseSMs gives a cell every SM that its CUDA can build, and the reasons for the others.
func (m *Matrix) chooseSMs(r *reader, cell *Cell, cuda located[Version]) {
	release, found := m.toolkit(r, cuda)
	if !found {
		return
	}
	cell.SMs, cell.Excluded = m.split(release)
	if len(cell.SMs) == 0 {
		r.fail(cuda.at, "choose a newer CUDA, or lower the cuda of an sm block", "CUDA %s can build no SM of this matrix", cuda.value)
	}
}

// pick finds the block that a name in a cells block refers to.
func pick[T any](r *reader, kind string, name located[string], all []T, key func(T) string) T {
	names := make([]string, 0, len(all))
	for _, one := range all {
		if key(one) == name.value {
			return one
		}
		names = append(names, key(one))
	}
	var none T
	if name.value != "" { // an empty one is already reported
		hint := fmt.Sprintf("add the block: %s %q { … }", kind, name.value)
		if near := diag.Suggest(name.value, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.fail(name.at, hint, "there is no %s block named %q", kind, name.value)
	}
	return none
}

func (m *Matrix) torch(version Version) *torchRelease {
	for i := range m.torches {
		if m.torches[i].version.Compare(version.Minor()) == 0 {
			return &m.torches[i]
		}
	}
	return nil
}

// checkTorch reports a torch without facts, and a CUDA that it is not built for.
func (m *Matrix) checkTorch(r *reader, torch, cuda located[Version]) {
	release := m.knownTorch(r, torch)
	if release != nil && !slices.Contains(release.cuda, cuda.value.Minor()) {
		r.illegal(cuda.at, release.cudaRule(), fmt.Sprintf("use CUDA %s here", choice(release.cuda)),
			fmt.Sprintf("torch %s does not go with CUDA %s", torch.value, cuda.value))
	}
}

// knownTorch finds the facts about a torch, and reports one without.
func (m *Matrix) knownTorch(r *reader, torch located[Version]) *torchRelease {
	release := m.torch(torch.value)
	if release == nil {
		r.fail(torch.at, fmt.Sprintf("add the block: torch %q { cuda = […] python = […] source = … }", torch.value.Minor()),
			"nothing is known about torch %s: there is no torch %q block", torch.value, torch.value.Minor())
	}
	return release
}

// checkPython reports a Python that a torch is not built for.
func (r *reader) checkPython(release *torchRelease, torch Version, python located[Version]) {
	if !python.value.IsZero() && !slices.Contains(release.python, python.value) {
		r.illegal(python.at, release.pythonRule(), fmt.Sprintf("use Python %s here", choice(release.python)),
			fmt.Sprintf("torch %s does not go with Python %s", torch, python.value))
	}
}

// illegal reports a combination that a rule forbids, with the rule and its source.
func (r *reader) illegal(at hcl.Range, rule Rule, hint, message string) {
	r.fail(at, hint, "%s: rule %s, %s (source: %s)", message, rule.Name, rule.Text, rule.Source)
}

func (m *Matrix) toolkit(r *reader, cuda located[Version]) (toolkit, bool) {
	for _, release := range m.toolkits {
		if release.version == cuda.value.Minor() {
			return release, true
		}
	}
	minor := cuda.value.Minor()
	r.fail(cuda.at, fmt.Sprintf("add the block: cuda %q { targets = […] source = … }", minor),
		"nothing is known about CUDA %s: there is no cuda %q block", cuda.value, minor)
	return toolkit{}, false
}

// readPythons reads the Pythons of a block and checks each against torch.
func (m *Matrix) readPythons(r *reader, torch Version, e hcl.Expression) []located[Version] {
	var pythons []located[Version]
	release := m.torch(torch)
	for _, text := range r.list(e) {
		python := r.version(text, 2, 2)
		if release != nil {
			r.checkPython(release, torch, python)
		}
		pythons = append(pythons, python)
	}
	return pythons
}
