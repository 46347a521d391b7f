package kernels

import (
	"slices"

	"github.com/sagebuild/sagebuild/matrix"
)

// Twin is a row of csrc/kernels.toml: for SM the compiler makes the very code that it makes for Of, of every source
// with a suffix and of PTX that both share. Their cubins differ in what says which SM they are for, so that those of Of
// become those of SM. A GPU of SM loads its own, which is why they are there: see Same for SMs that need none.
type Twin struct {
	SM matrix.SM `toml:"sm"`
	Of matrix.SM `toml:"of"`
}

// TwinOf is the SM from whose cubin that of a source for sm is made, in the stages of a matrix. It is false where the
// source is compiled or assembled for sm.
func (k *Set) TwinOf(m *matrix.Matrix, source Source, sm matrix.SM) (matrix.SM, bool) {
	at := slices.IndexFunc(k.Twins, func(t Twin) bool { return t.SM == sm })
	if at < 0 || !slices.Contains(source.SMs, k.Twins[at].Of) {
		return matrix.SM{}, false
	}
	of := k.Twins[at].Of
	from, shared := source.PTXOf(sm)
	if other, both := source.PTXOf(of); source.Suffix == "" && !(shared && both && from == other) {
		return matrix.SM{}, false
	}
	return of, !slices.ContainsFunc(m.Cells(), func(c matrix.Cell) bool { return needsOwn(m, c, sm, of) })
}

// needsOwn says whether a cell needs code that is made for sm itself: it holds none for of, or PTX for sm.
func needsOwn(m *matrix.Matrix, cell matrix.Cell, sm, of matrix.SM) bool {
	return slices.Contains(cell.SMs, sm) && (!slices.Contains(cell.SMs, of) || m.PTXOf(cell.CUDA) == sm)
}

// checkTwins checks every row by itself. The place of a mistake is the last mention of the SM in quotes.
func (k *Set) checkTwins() error {
	for at, row := range k.Twins {
		switch {
		case slices.ContainsFunc(k.Twins[:at], func(other Twin) bool { return other.SM == row.SM }):
			return k.errorAt(row.SM.String(), "SM %s has two rows [[twin]]", row.SM)
		case (Image{Arch: Arch{SM: row.Of}}).Loads(row.SM) != SameMajor:
			return k.errorAt(row.SM.String(), "SM %s is no twin of %s: it does not load its code", row.SM, row.Of)
		case slices.ContainsFunc(k.Twins, func(other Twin) bool { return other.SM == row.Of }):
			return k.errorAt(row.SM.String(), "SM %s is a twin of %s, which is one itself", row.SM, row.Of)
		}
	}
	return nil
}
