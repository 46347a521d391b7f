package matrix

import (
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hcldiag"
)

// emulators lists the emulators that the Dockerfile has a stage for.
var emulators = []string{"qemu", "wine"}

// readAxes fills everything but the cells and groups.
func (m *Matrix) readAxes(r *reader, schema *fileSchema) {
	m.readPlatforms(r, schema.Platforms)
	m.readTorches(r, schema.Torches)
	m.readToolkits(r, schema.CUDAs)
	m.readSMs(r, schema.SMs)
	m.readPackages(r, schema.Packages)
}

func (m *Matrix) readPackages(r *reader, blocks []packageSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		r.name("package", namePattern, block.Name, block.NameRange)
		r.unique(seen, "package", block.Name, block.NameRange)
		pkg := Package{
			Name: block.Name, Distribution: r.pythonName("distribution", block.Distribution), Module: r.pythonName("module", block.Module),
			Fatbin: r.fileName("fatbin", block.Fatbin, ".fatbin"), Version: r.version(r.text(block.Version), 2, 4).value,
		}
		pkg.SMs, pkg.smsSource = m.readOnly(r, block)
		pkg.oldest = r.readOldest(block.Oldest)
		m.packages = append(m.packages, pkg)
	}
}

// pythonName reads the name of a distribution or module, in the form that both have in file names.
func (r *reader) pythonName(what string, e hcl.Expression) string {
	name := r.text(e)
	if name.value != "" && !namePattern.MatchString(name.value) {
		r.fail(name.at, "", "%s %q: want the normalised name, lower-case letters, digits and _", what, name.value)
	}
	return name.value
}

func (m *Matrix) readPlatforms(r *reader, blocks []platformSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		r.name("platform", platformPattern, block.Name, block.NameRange)
		r.unique(seen, "platform", block.Name, block.NameRange)
		m.platforms = append(m.platforms, Platform{
			Name: block.Name, Tag: r.platformTag(block.Tag), UniversalTag: r.platformTag(block.UniversalTag),
			Triple: r.text(block.Triple).value, Library: r.fileName("library", block.Library, ".so", ".dll"),
			Glibc: r.version(r.optional(block.Glibc), 2, 2).value, Emulator: r.emulator(block.Emulator),
		})
	}
}

func (r *reader) platformTag(e hcl.Expression) string {
	tag := r.text(e)
	if tag.value != "" && !namePattern.MatchString(tag.value) {
		r.fail(tag.at, "", "platform tag %q: want lower-case letters, digits and _", tag.value)
	}
	return tag.value
}

func (r *reader) emulator(e hcl.Expression) string {
	name := r.optional(e)
	if name.value != "" && !slices.Contains(emulators, name.value) {
		r.fail(name.at, "leave it out where the machine itself runs the tests", "emulator %q: the Dockerfile has %s", name.value, strings.Join(emulators, " and "))
	}
	return name.value
}

// fileName reads the name of a file with one of some endings.
func (r *reader) fileName(what string, e hcl.Expression, endings ...string) string {
	name := r.text(e)
	ending := path.Ext(name.value)
	if name.value != "" && (!slices.Contains(endings, ending) || !stemPattern.MatchString(strings.TrimSuffix(name.value, ending))) {
		r.fail(name.at, "", "%s %q: want a file name that ends in %s", what, name.value, strings.Join(endings, " or "))
	}
	return name.value
}

func (m *Matrix) readTorches(r *reader, blocks []torchSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		version := r.version(located[string]{block.Name, block.NameRange}, 2, 2)
		r.unique(seen, "torch", block.Name, block.NameRange)
		m.torches = append(m.torches, torchRelease{
			version: version.value, cuda: r.versions(block.CUDA, 2, 2), python: r.versions(block.Python, 2, 2),
			source: r.text(block.Source).value,
		})
	}
}

func (m *Matrix) readToolkits(r *reader, blocks []cudaSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		version := r.version(located[string]{block.Name, block.NameRange}, 2, 2)
		r.unique(seen, "cuda", block.Name, block.NameRange)
		release := toolkit{version: version.value, source: r.text(block.Source).value}
		for _, target := range r.list(block.Targets) {
			release.targets = append(release.targets, r.sm(target))
		}
		m.toolkits = append(m.toolkits, release)
	}
	slices.SortStableFunc(m.toolkits, func(a, b toolkit) int { return a.version.Compare(b.version) })
}

func (m *Matrix) readSMs(r *reader, blocks []smSchema) {
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		r.unique(seen, "sm", block.Name, block.NameRange)
		m.sms = append(m.sms, r.gpuFamily(block))
	}
	slices.SortStableFunc(m.sms, func(a, b gpuFamily) int { return a.sm.Compare(b.sm) })
	for _, block := range blocks {
		m.checkImage(r, block)
	}
}

func (r *reader) gpuFamily(block smSchema) gpuFamily {
	family := gpuFamily{sm: r.sm(located[string]{block.Name, block.NameRange}), gpus: []string{}}
	switch {
	case given(block.CUDA) == given(block.Image):
		r.fail(block.NameRange, "", "sm %q wants either cuda, the oldest that its kernels need, or image, the SM whose code it runs", block.Name)
	case given(block.Image):
		family.image = r.sm(r.text(block.Image))
		family.imageAt = hcldiag.Place(block.Image.Range())
	default:
		family.minimum = r.version(r.text(block.CUDA), 2, 2).value
	}
	for _, gpu := range r.listOrNone(block.GPUs) {
		family.gpus = append(family.gpus, gpu.value)
	}
	family.source = r.text(block.Source).value
	return family
}

// checkImage reports an image that no kernels are compiled for. kernels.Set.Check says whether the SM loads the
// image's code.
func (m *Matrix) checkImage(r *reader, block smSchema) {
	sm, err := ParseSM(block.Name)
	family := m.family(sm)
	if err != nil || family == nil || family.compiled() {
		return
	}
	if image := m.family(family.image); image == nil || !image.compiled() {
		r.fail(block.Image.Range(), "", "kernels are compiled for no SM %s: there is no sm block of that name with cuda", family.image)
	}
}

func (m *Matrix) family(sm SM) *gpuFamily {
	at := slices.IndexFunc(m.sms, func(f gpuFamily) bool { return f.sm == sm })
	if at < 0 {
		return nil
	}
	return &m.sms[at]
}

// SMs lists the SMs that kernels are compiled for, old to new.
func (m *Matrix) SMs() []SM { return m.smsWhere(gpuFamily.compiled) }

// Capabilities lists every SM of the matrix, old to new: the SMs that kernels are compiled for, and the SMs that run
// another SM's code.
func (m *Matrix) Capabilities() []SM { return m.smsWhere(func(gpuFamily) bool { return true }) }

func (m *Matrix) smsWhere(wanted func(gpuFamily) bool) []SM {
	var all []SM
	for _, family := range m.sms {
		if wanted(family) {
			all = append(all, family.sm)
		}
	}
	return all
}

// GPUs names the GPUs that have sm; nil for an SM outside the matrix.
func (m *Matrix) GPUs(sm SM) []string {
	if family := m.family(sm); family != nil {
		return slices.Clone(family.gpus)
	}
	return nil
}

// Image is the SM whose code the GPUs of sm run: sm itself where kernels are compiled for it.
func (m *Matrix) Image(sm SM) SM {
	if family := m.family(sm); family != nil && !family.compiled() {
		return family.image
	}
	return sm
}

// ImageRange is where the definition gives sm its image; nil where kernels are compiled for sm itself.
func (m *Matrix) ImageRange(sm SM) *diag.Range {
	if family := m.family(sm); family != nil {
		return family.imageAt
	}
	return nil
}

// Packages lists the packages, in the order of the definition.
func (m *Matrix) Packages() []Package { return slices.Clone(m.packages) }

// SMsOf lists the SMs that wheels of a package may have code for, old to new.
func (m *Matrix) SMsOf(pkg Package) []SM {
	if len(pkg.SMs) == 0 {
		return m.SMs()
	}
	return slices.Clone(pkg.SMs)
}

// Platforms lists the systems that wheels are built for, in the order of the definition.
func (m *Matrix) Platforms() []Platform { return slices.Clone(m.platforms) }

// Cells lists the wheels in the order of the definition.
func (m *Matrix) Cells() []Cell { return slices.Clone(m.cells) }
