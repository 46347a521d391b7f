package bake

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// twinUse is what a share takes from the stage of an older SM, to make its SM's cubins of it.
type twinUse struct {
	SM      string // what they become: 8.9, or 12.1a
	of      share  // of the older SM
	sources []kernels.Source
}

// Stage is the stage with the results: kernels-sm86-build.
func (u twinUse) Stage() string { return u.of.stage() + "-build" }

// Files are the arguments of COPY: patterns, for the cubin of each source, its record and their hashes.
func (u twinUse) Files() string {
	files := make([]string, len(u.sources))
	for i, source := range u.sources {
		files[i] = "/out/" + source.Stem() + ".sm_" + u.of.sm.Digits() + source.Suffix + ".*"
	}
	return strings.Join(files, " ")
}

// twinUses are those of some sources for an SM, by the stage of the older SM and by the target.
func twinUses(m *matrix.Matrix, k *kernels.Set, sources []kernels.Source, sm matrix.SM) []twinUse {
	var uses []twinUse
	for _, source := range sources {
		of, found := k.TwinOf(m, source, sm)
		if !found {
			continue
		}
		use := twinUse{source.Arch(sm).String(), shareWith(m, k, source, of), []kernels.Source{source}}
		at := slices.IndexFunc(uses, func(u twinUse) bool { return u.Stage() == use.Stage() && u.SM == use.SM })
		if at < 0 {
			uses = append(uses, use)
		} else {
			uses[at].sources = append(uses[at].sources, source)
		}
	}
	return uses
}

// shareWith is the share of an SM that has a source.
func shareWith(m *matrix.Matrix, k *kernels.Set, source kernels.Source, sm matrix.SM) share {
	shares := sharesOfSM(m, k, sm)
	return shares[slices.IndexFunc(shares, func(s share) bool { return contains(s.sources, source) })]
}
