package bake

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// ptxUse is what a share takes from a stage with PTX, to assemble its SM's code from it.
type ptxUse struct {
	Stage   string // ptx-sm80, ptx-sm100-sage2
	of      matrix.SM
	sources []kernels.Source
}

// Files are the arguments of COPY, for the PTX of each source and its hash.
func (u ptxUse) Files() string {
	var files []string
	for _, source := range u.sources {
		file := "/out/" + source.Stem() + ".compute_" + u.of.Digits() + ".ptx"
		files = append(files, file, file+".sha256")
	}
	return strings.Join(files, " ")
}

// ptxUses are those of some sources for an SM; sources whose code the compiler makes by itself are in none, nor those
// that have the code of another SM.
func ptxUses(m *matrix.Matrix, k *kernels.Set, sources []kernels.Source, sm matrix.SM) []ptxUse {
	var uses []ptxUse
	for _, source := range sources {
		if _, twin := k.TwinOf(m, source, sm); twin {
			continue
		}
		if of, shared := source.PTXOf(sm); shared {
			uses = addUse(uses, ptxUse{ptxStageName(m, source, of), of, []kernels.Source{source}})
		}
	}
	return uses
}

// addUse adds the sources of a use that the one of the same stage does not have.
func addUse(uses []ptxUse, use ptxUse) []ptxUse {
	at := slices.IndexFunc(uses, func(u ptxUse) bool { return u.Stage == use.Stage })
	if at < 0 {
		return append(uses, ptxUse{use.Stage, use.of, slices.Clone(use.sources)})
	}
	for _, source := range use.sources {
		if !contains(uses[at].sources, source) {
			uses[at].sources = append(uses[at].sources, source)
		}
	}
	return uses
}

// ptxStageName is ptx-sm80 for sources of all packages. The PTX of others is made apart, as their code is.
func ptxStageName(m *matrix.Matrix, source kernels.Source, of matrix.SM) string {
	name := "ptx-sm" + of.Digits()
	var holders []string
	for _, pkg := range m.Packages() {
		if slices.Contains(source.Packages, pkg.Name) {
			holders = append(holders, pkg.Name)
		}
	}
	if len(holders) == len(m.Packages()) {
		return name
	}
	return name + "-" + strings.Join(holders, "-")
}

// ptxStage is a stage that compiles sources to PTX.
type ptxStage struct {
	Name    string
	SM      matrix.SM
	Copies  []copyStep
	Sources []string
}

// ptxStages lists the stages with PTX that some shares use, old to new.
func ptxStages(shares []share) []ptxStage {
	var uses []ptxUse
	for _, s := range shares {
		for _, use := range s.ptx {
			uses = addUse(uses, use)
		}
	}
	slices.SortStableFunc(uses, func(a, b ptxUse) int { return a.of.Compare(b.of) })
	stages := make([]ptxStage, len(uses))
	for i, use := range uses {
		stages[i] = ptxStage{Name: use.Stage, SM: use.of}
		var files []string
		for _, source := range use.sources {
			files = append(append(files, source.Path()), source.Headers...)
			stages[i].Sources = append(stages[i].Sources, source.Path())
		}
		stages[i].Copies = copySteps(files)
	}
	return stages
}

// compilerSteps are the stages that the stages of some shares stand on.
func compilerSteps(shares []share) []string {
	steps := []string{"system", "uv", "toolchain", "nvdisasm"}
	add := func(step string) {
		if !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	}
	for _, s := range shares {
		for _, use := range s.ptx {
			add("ptxas")
			add(use.Stage)
		}
	}
	return steps
}
