package matrix

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// axes are the values that one cells block lists. The block has a cell for each platform, CUDA and Python among them.
type axes struct {
	pkg       Package
	platforms []Platform
	torch     located[Version]
	builds    []cudaBuild
	pythons   []located[Version]
	tested    []Version // a part of pythons
}

// cudaBuild is what the CUDA of a wheel decides.
type cudaBuild struct {
	cuda     Version
	sms, ptx []SM
	excluded []Exclusion
}

// readCells expands every cells block, in order. end is the place of the error about a file without any cells block.
func (m *Matrix) readCells(r *reader, blocks []cellsSchema, end hcl.Range) {
	if len(blocks) == 0 {
		r.fail(end, "add a cells block; docs/adding.md shows one", "the definition has no cells")
	}
	targets := map[string]hcl.Range{}
	for _, block := range blocks {
		before := len(r.errs)
		if a := m.readBlock(r, block); len(r.errs) == before {
			m.expand(r, a, targets)
		}
	}
}

// readBlock reads what a block lists, and checks torch against its CUDA releases and Pythons.
func (m *Matrix) readBlock(r *reader, block cellsSchema) axes {
	a := axes{pkg: m.readPackage(r, block.Package), torch: r.version(r.text(block.Torch), 3, 3)}
	r.checkOldest(a.pkg, "torch", a.torch)
	for _, name := range r.oneOrMore(block.Platform) {
		a.platforms = append(a.platforms, m.platform(r, name))
	}
	for _, text := range r.oneOrMore(block.CUDA) {
		a.builds = append(a.builds, m.readCUDA(r, a.pkg, a.torch, r.version(text, 2, 3)))
	}
	a.pythons = m.readPythons(r, a.torch.value, block.Python)
	for _, python := range a.pythons {
		r.checkOldest(a.pkg, "python", python)
	}
	a.tested = r.readTested(block.Test, a.pythons)
	return a
}

// readCUDA checks a CUDA against the package and torch of its block, and chooses the SMs.
func (m *Matrix) readCUDA(r *reader, pkg Package, torch, cuda located[Version]) cudaBuild {
	if torch.value.IsZero() || cuda.value.IsZero() {
		return cudaBuild{} // already reported
	}
	r.checkOldest(pkg, "cuda", cuda)
	m.checkTorch(r, torch, cuda)
	return m.chooseSMs(r, pkg, cuda)
}

// readTested reads the Pythons whose wheels are tested. Without the attribute all Pythons of the block are tested.
func (r *reader) readTested(e hcl.Expression, pythons []located[Version]) []Version {
	listed := make([]Version, len(pythons))
	for i, python := range pythons {
		listed[i] = python.value
	}
	if !given(e) {
		return listed
	}
	var tested []Version
	for _, text := range r.list(e) {
		python := r.version(text, 2, 2)
		if !python.value.IsZero() && !slices.Contains(listed, python.value) {
			r.fail(python.at, "", "a test on Python %s, for which this block makes no wheel", python.value)
		}
		tested = append(tested, python.value)
	}
	return tested
}

// expand makes the cells of a block.
func (m *Matrix) expand(r *reader, a axes, targets map[string]hcl.Range) {
	for _, platform := range a.platforms {
		for _, build := range a.builds {
			for _, python := range a.pythons {
				cell := Cell{
					Package: a.pkg, Platform: platform, Torch: a.torch.value, CUDA: build.cuda, Python: python.value,
					Runtimes: []Runtime{}, SMs: build.sms, PTX: build.ptx, Excluded: build.excluded,
				}
				if slices.Contains(a.tested, python.value) {
					cell.Runtimes = append(cell.Runtimes, Runtime{cell.Torch, cell.Python})
				}
				if r.unique(targets, "target", cell.Target(), python.at) {
					m.cells = append(m.cells, cell)
				}
			}
		}
	}
}

func (m *Matrix) readPackage(r *reader, e hcl.Expression) Package {
	return pick(r, "package", r.text(e), m.packages, func(p Package) string { return p.Name })
}

func (m *Matrix) platform(r *reader, name located[string]) Platform {
	return pick(r, "platform", name, m.platforms, func(p Platform) string { return p.Name })
}

// chooseSMs takes every SM of a package that a CUDA can build, and notes why it leaves out the other SMs.
func (m *Matrix) chooseSMs(r *reader, pkg Package, cuda located[Version]) cudaBuild {
	build := cudaBuild{cuda: cuda.value}
	release, found := m.toolkit(r, cuda)
	if !found {
		return build
	}
	build.sms, build.excluded = m.split(pkg, release)
	if len(build.sms) == 0 {
		r.fail(cuda.at, "choose a newer CUDA, or lower the cuda of an sm block", "CUDA %s can build no SM of this matrix", cuda.value)
		return build
	}
	build.ptx = []SM{}
	if sm := m.PTXOf(cuda.value); slices.Contains(build.sms, sm) {
		build.ptx = []SM{sm}
	}
	return build
}

// PTXOf is the SM whose PTX wheels of a CUDA may hold: of the newest major that the CUDA builds for whatever package,
// the oldest SM. Its PTX runs on every GPU that is newer than all machine code, and on all of its own major.
func (m *Matrix) PTXOf(cuda Version) SM {
	built := m.SMsBuiltBy(cuda)
	newest := built[len(built)-1].Major
	return built[slices.IndexFunc(built, func(sm SM) bool { return sm.Major == newest })]
}

// SMsBuiltBy lists the SMs that a CUDA builds for whatever package, old to new; none for a CUDA outside the matrix.
func (m *Matrix) SMsBuiltBy(cuda Version) []SM {
	for _, release := range m.toolkits {
		if release.version == cuda.Minor() {
			sms, _ := m.split(Package{}, release)
			return sms
		}
	}
	return nil
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
	if name.value != "" { // an empty name is already reported
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

// checkTorch reports a torch without facts, and a CUDA that the torch is not built for.
func (m *Matrix) checkTorch(r *reader, torch, cuda located[Version]) {
	release := m.knownTorch(r, torch)
	if release != nil && !slices.Contains(release.cuda, cuda.value.Minor()) {
		r.illegal(cuda.at, release.cudaRule(), fmt.Sprintf("use CUDA %s here", choice(release.cuda)),
			fmt.Sprintf("torch %s does not go with CUDA %s", torch.value, cuda.value))
	}
}

// knownTorch finds the facts about a torch, and reports a torch without facts.
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
