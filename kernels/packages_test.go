package kernels

import (
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

func TestAPackageHoldsItsOwnKernels(t *testing.T) {
	_, k := defaults(t)
	sm := matrix.SM{Major: 12, Minor: 0}
	for pkg, want := range map[string]map[string]bool{
		"sage2": {"attention_fp16_hd64": true, "quantize": true, "attention_fp8_hd64": true, "value_quantize": true},
		"sage3": {"attention_fp16_hd64": true, "quantize": true, "attention_fp8_hd64": false, "value_quantize": false},
	} {
		names := k.Of(pkg).Names([]matrix.SM{sm})
		for name, has := range want {
			if slices.Contains(names, name) != has {
				t.Errorf("%s holds %s: %v, want %v", pkg, name, !has, has)
			}
		}
	}
	if all, some := len(k.For(sm)), len(k.Of("sage3").For(sm)); some >= all {
		t.Errorf("sage3 takes %d of %d sources of SM %s", some, all, sm)
	}
	if !slices.Equal(k.Of("sage3").Exports, k.Exports) {
		t.Error("the library of sage3 is another one")
	}
}

// The list at the head of kernels.toml is that of the definition, in its order.
func TestPackagesAreThoseOfTheMatrix(t *testing.T) {
	m, k := defaults(t)
	var names []string
	for _, pkg := range m.Packages() {
		names = append(names, pkg.Name)
	}
	if !slices.Equal(names, k.Packages[:len(names)]) {
		t.Errorf("kernels.toml lists %v, the matrix %v", k.Packages, names)
	}
}

func TestAPackageNeedsKernels(t *testing.T) {
	m, k := defaults(t)
	unlisted := *k
	unlisted.Packages = []string{"sage9"}
	if err := unlisted.Check(m); err == nil || !strings.Contains(err.Error(), "there are no kernels of package sage2") {
		t.Errorf("got %v", err)
	}
	lacking := *k
	lacking.Sources = slices.Clone(k.Sources)
	for at := range lacking.Sources {
		if source := &lacking.Sources[at]; source.Operation() == attention {
			source.Packages = []string{"sage3"}
		}
	}
	if err := lacking.Check(m); err == nil || !strings.Contains(err.Error(), "package sage2 has no source of attention_fp16 for SM 7.0") {
		t.Errorf("got %v", err)
	}
}
