package bake

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// share is the sources of an SM that the same packages hold. Each share is compiled in a stage of its own.
type share struct {
	sm      matrix.SM
	holders []string // packages; never empty
	all     bool     // every package that is for the SM is a holder
	sources []kernels.Source
	ptx     []ptxUse  // of those of the sources whose PTX several SMs have in common
	twins   []twinUse // of those of the sources that have the code of another SM
}

// stage is the name of the stage that compiles the share: kernels-sm120 for what all packages of the SM hold,
// kernels-sm120-sage3 for what sage3 alone holds.
func (s share) stage() string {
	name := "kernels-sm" + s.sm.Digits()
	if s.all {
		return name
	}
	return name + "-" + strings.Join(s.holders, "-")
}

// sharesOf lists the shares of all SMs, old to new. Sources that no package of the matrix holds are in none.
func sharesOf(m *matrix.Matrix, k *kernels.Set) []share {
	var shares []share
	for _, sm := range m.SMs() {
		shares = append(shares, sharesOfSM(m, k, sm)...)
	}
	return shares
}

func sharesOfSM(m *matrix.Matrix, k *kernels.Set, sm matrix.SM) []share {
	var shares []share
	packages := 0
	for _, pkg := range m.Packages() {
		if slices.Contains(m.SMsOf(pkg), sm) {
			packages++
		}
	}
	for _, source := range k.For(sm) {
		holders := source.Holders(m, sm)
		at := slices.IndexFunc(shares, func(s share) bool { return slices.Equal(s.holders, holders) })
		switch {
		case len(holders) == 0:
		case at < 0:
			shares = append(shares, share{sm: sm, holders: holders, all: len(holders) == packages, sources: []kernels.Source{source}})
		default:
			shares[at].sources = append(shares[at].sources, source)
		}
	}
	for at := range shares {
		shares[at].ptx = ptxUses(m, k, shares[at].sources, sm)
		shares[at].twins = twinUses(m, k, shares[at].sources, sm)
	}
	return shares
}

// whole lists the shares that have to be made for this one, which is the last.
func (s share) whole() []share {
	var shares []share
	for _, use := range s.twins {
		shares = append(shares, use.of)
	}
	return append(shares, s)
}

// compiled are the sources whose code the compiler makes by itself.
func (s share) compiled() []kernels.Source {
	return slices.DeleteFunc(slices.Clone(s.sources), func(source kernels.Source) bool {
		_, shared := source.PTXOf(s.sm)
		return shared || slices.ContainsFunc(s.twins, func(use twinUse) bool { return contains(use.sources, source) })
	})
}

// contains says whether a source is among others: a file is one source.
func contains(sources []kernels.Source, source kernels.Source) bool {
	return slices.ContainsFunc(sources, func(other kernels.Source) bool { return other.File == source.File })
}

// heldBy are those of some shares that wheels of a package for these SMs hold.
func heldBy(shares []share, pkg matrix.Package, sms []matrix.SM) []share {
	var held []share
	for _, s := range shares {
		if slices.Contains(s.holders, pkg.Name) && slices.Contains(sms, s.sm) {
			held = append(held, s)
		}
	}
	return held
}

// kernelStages names the stages of some shares.
func kernelStages(shares []share) []string {
	names := make([]string, len(shares))
	for i, s := range shares {
		names[i] = s.stage()
	}
	return names
}
