package bake

import (
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
)

// Every source is compiled once for each of its SMs, and a package takes the code of its own sources.
func TestSharesCompileEachSourceOnce(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	for _, sm := range m.SMs() {
		var files []string
		for _, s := range sharesOfSM(m, k, sm) {
			for _, source := range s.sources {
				files = append(files, source.File)
			}
		}
		for _, source := range k.For(sm) {
			want := min(1, len(source.Holders(m, sm)))
			if got := len(slices.DeleteFunc(slices.Clone(files), func(f string) bool { return f != source.File })); got != want {
				t.Errorf("SM %s compiles %s %d times, want %d", sm, source.File, got, want)
			}
		}
	}
	for _, pkg := range m.Packages() {
		stages := kernelStages(heldBy(sharesOf(m, k), pkg, m.SMs()))
		for _, s := range sharesOf(m, k) {
			for _, source := range s.sources {
				holds := slices.Contains(source.Holders(m, s.sm), pkg.Name)
				if holds != slices.Contains(stages, s.stage()) {
					t.Errorf("%s takes %s of SM %s: %v", pkg.Name, source.File, s.sm, !holds)
				}
			}
		}
	}
}
