package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// gpus says for each GPU which wheels have machine code for it, and what the GPU's owner takes instead of the other
// wheels.
func (d *document) gpus(m *matrix.Matrix, k *kernels.Set) {
	d.linef("## Which wheel for which GPU\n")
	d.linef("A wheel of another CUDA serves the same torch: kernels need the driver alone, one for that CUDA or newer. The universal wheel serves")
	d.linef("every torch. Where a wheel has no code for a GPU, but PTX for an older SM, the driver compiles that at first use, without the kernels")
	d.linef("that are for one SM. `sagebuild resolve` picks the wheel for a Python, torch, CUDA and GPU.\n")
	for _, pkg := range m.Packages() {
		d.linef("### %s\n", pkg.Distribution)
		d.head("SM", "GPUs", "wheels with code for it", "instead of the others")
		for _, sm := range m.Capabilities() {
			if slices.Contains(m.SMsOf(pkg), m.Image(sm)) {
				d.row(sm.String(), orNone(strings.Join(m.GPUs(sm), ", ")), codeFor(m, k, pkg, sm), insteadOf(m, pkg, sm))
			}
		}
		d.linef("")
	}
}

func orNone(text string) string {
	if text == "" {
		return "none known"
	}
	return text
}

func codeFor(m *matrix.Matrix, k *kernels.Set, pkg matrix.Package, sm matrix.SM) string {
	with, _, universal := holders(m, pkg, sm)
	text := "CUDA " + words(with)
	if universal {
		text += ", universal"
	}
	if image := m.Image(sm); image != sm {
		text += fmt.Sprintf(" (that of %s)", image)
	}
	for _, row := range k.SamesIn([]matrix.SM{sm}) {
		text += fmt.Sprintf(" (that of %s, and of %sa)", row.Of, row.SM)
	}
	return text
}

// insteadOf says which wheel the owner of a GPU takes if the wheels for the CUDA of the owner's torch have no code
// for the GPU.
func insteadOf(m *matrix.Matrix, pkg matrix.Package, sm matrix.SM) string {
	with, without, universal := holders(m, pkg, sm)
	switch {
	case len(without) == 0:
		return "-"
	case universal:
		return fmt.Sprintf("instead of CUDA %s: the torch's wheel for CUDA %s if it has one, else the universal wheel", words(without), words(with))
	}
	return fmt.Sprintf("instead of CUDA %s and the universal wheel: the torch's wheel for CUDA %s", words(without), words(with))
}

// holders lists the CUDAs whose wheels of a package have code that sm runs, and the CUDAs whose wheels have none.
func holders(m *matrix.Matrix, pkg matrix.Package, sm matrix.SM) (with, without []matrix.Version, universal bool) {
	image := m.Image(sm)
	ofOneTorch := map[matrix.Version]bool{}
	for _, cell := range m.Cells() {
		if cell.Package.Name != pkg.Name {
			continue
		}
		if cell.Universal {
			universal = universal || slices.Contains(cell.SMs, image)
		} else {
			ofOneTorch[cell.CUDA.Minor()] = true
		}
	}
	for _, cell := range firstOfEachCUDA(m, pkg) {
		switch cuda := cell.CUDA.Minor(); {
		case !ofOneTorch[cuda]:
		case slices.Contains(cell.SMs, image):
			with = append(with, cuda)
		default:
			without = append(without, cuda)
		}
	}
	return with, without, universal
}
