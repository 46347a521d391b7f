package kernels

import (
	"slices"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

// SameProof is the document that shows for the rows of Same that the code is the same.
const SameProof = "docs/same-code.md"

// Same is a row of csrc/kernels.toml: for SM the compiler makes, of every source for a target without a suffix, the
// very code that it makes for Of. Wheels hold that code for Of alone, and a GPU of SM loads it from there.
type Same struct {
	SM matrix.SM `toml:"sm"`
	Of matrix.SM `toml:"of"`
}

// same is the row of an SM.
func (k *Set) same(sm matrix.SM) (Same, bool) {
	at := slices.IndexFunc(k.Sames, func(s Same) bool { return s.SM == sm })
	if at < 0 {
		return Same{}, false
	}
	return k.Sames[at], true
}

// SamesIn lists the rows that decide about a wheel with code for these SMs.
func (k *Set) SamesIn(sms []matrix.SM) []Same {
	return slices.DeleteFunc(slices.Clone(k.Sames), func(s Same) bool { return !slices.Contains(sms, s.SM) })
}

// Shares says whether an SM has no image of the source, because it loads that of an older SM.
func (k *Set) Shares(source Source, sm matrix.SM) bool {
	row, found := k.same(sm)
	return found && source.Suffix == "" && slices.Contains(source.SMs, row.Of)
}

// checkSames checks every row by itself. The place of a mistake is the last mention of the SM in quotes.
func (k *Set) checkSames() error {
	for at, row := range k.Sames {
		switch {
		case slices.ContainsFunc(k.Sames[:at], func(other Same) bool { return other.SM == row.SM }):
			return k.errorAt(row.SM.String(), "SM %s has two rows [[same]]", row.SM)
		case (Image{Arch: Arch{SM: row.Of}}).Loads(row.SM) != SameMajor:
			return k.errorAt(row.SM.String(), "SM %s does not load the code of %s, only that of an older SM of the same major", row.SM, row.Of)
		case slices.ContainsFunc(k.Sames, func(other Same) bool { return other.SM == row.Of }):
			return k.errorAt(row.SM.String(), "SM %s has the code of %s, which has that of another SM itself", row.SM, row.Of)
		}
	}
	return nil
}

// checkSameUse reports SMs of the matrix that would not load the code that a row gives them: the code must be in
// every wheel for the SM, and no SM between the two may have code, which a GPU would load instead.
func (k *Set) checkSameUse(m *matrix.Matrix) error {
	for _, row := range k.Sames {
		for _, between := range m.SMs() {
			_, shares := k.same(between)
			if row.Of.Compare(between) < 0 && between.Compare(row.SM) < 0 && !shares {
				return k.errorAt(row.SM.String(), "SM %s would load the code of %s, not of %s", row.SM, between, row.Of)
			}
		}
		for _, cell := range m.Cells() {
			if slices.Contains(cell.SMs, row.SM) && !slices.Contains(cell.SMs, row.Of) {
				return &diag.Error{Class: diag.Usage, Hint: "add SM " + row.Of.String() + " to the wheel, or remove the row from " + File,
					Message: cell.Target() + " is for SM " + row.SM.String() + " without the code that it has of " + row.Of.String()}
			}
		}
	}
	return nil
}
