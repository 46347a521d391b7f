package kernels

import (
	"slices"

	"github.com/sagebuild/sagebuild/matrix"
)

// PTXOf is the SM for which the compiler makes the PTX that the code for sm is assembled from. It is false where the
// compiler makes that code itself, because no other SM has the source's PTX.
func (s Source) PTXOf(sm matrix.SM) (matrix.SM, bool) {
	for _, group := range s.PTX {
		if slices.Contains(group, sm) {
			return group[0], true
		}
	}
	return matrix.SM{}, false
}

// checkPTX reports groups that are no list of several of the source's SMs from old to new, and an SM in two of them.
func (k *Set) checkPTX(source Source) error {
	seen := map[matrix.SM]bool{}
	for _, group := range source.PTX {
		if len(group) < 2 || !slices.IsSortedFunc(group, matrix.SM.Compare) {
			return k.errorAt(source.File, "%s: SMs that share PTX are two or more, from old to new", source.File)
		}
		for _, sm := range group {
			switch {
			case source.Suffix != "":
				return k.errorAt(source.File, "%s: PTX for a target with a suffix runs on that SM alone", source.File)
			case !slices.Contains(source.SMs, sm):
				return k.errorAt(source.File, "%s shares PTX for SM %s, which is none of its sms", source.File, sm)
			case seen[sm]:
				return k.errorAt(source.File, "%s shares PTX for SM %s twice", source.File, sm)
			}
			seen[sm] = true
		}
	}
	return nil
}
