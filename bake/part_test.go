package bake

import (
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/matrix"
)

func selectedParts(t *testing.T, names ...string) []string {
	t.Helper()
	m, k := matrixtest.Definition(t, sourceDir)
	parts, err := SelectParts(m, k, names)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, part := range parts {
		found = append(found, part.Name)
	}
	return found
}

func TestPartsAreSharedByWheels(t *testing.T) {
	const cu129 = "kernels-cu129-sm70 kernels-cu129-sm75 kernels-cu129-sm80 kernels-cu129-sm86 kernels-cu129-sm87 kernels-cu129-sm89 " +
		"kernels-cu129-sm90 kernels-cu129-sm100 kernels-cu129-sm100-sage2 kernels-cu129-sm120 kernels-cu129-sm120-sage2 kernels-cu129-sm121-sage2"
	for names, want := range map[string]string{
		"pytorch28":               cu129 + " host-linux",
		"pytorch28 universal":     cu129 + " host-linux host-linux-arm64 host-windows",
		"kernels-*-sm120 host-*s": "kernels-cu128-sm120 kernels-cu129-sm120 kernels-cu130-sm120 kernels-cu132-sm120 host-windows",
		"host-linux host-linux":   "host-linux",
	} {
		if got := strings.Join(selectedParts(t, strings.Fields(names)...), " "); got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
	m, _ := matrixtest.Definition(t, sourceDir)
	all := selectedParts(t)
	if !slices.Contains(all, "kernels-cu132-sm110") || len(all) > len(m.Cells())/4 {
		t.Errorf("%d parts for %d cells: %v", len(all), len(m.Cells()), all)
	}
}

func TestUnknownPart(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	for name, hint := range map[string]string{
		"kernels-cu129-sm70x": "did you mean kernels-cu129-sm70?",
		"sage2-alll":          "did you mean sage2-all?",
		"kernels-cu118-*":     "sagebuild matrix lists the targets that a pattern can match",
	} {
		_, err := SelectParts(m, k, []string{name})
		e, ok := err.(*diag.Error)
		if !ok || e.Class != diag.Usage || e.Hint != hint {
			t.Errorf("%s: %v, hint %q, want %q", name, err, e.Hint, hint)
		}
	}
}

// A part is built with what its stages read, and with the values that a bake of its wheels gives them: else a wheel would
// not find the part in the cache.
func TestPartsHaveTheArgumentsOfTheirWheels(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	plan, err := NewPartPlan(m, k, Parts(m, k, m.Cells()), PlanOptions{Command: "compile", Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]Target{}
	for _, target := range plan.Targets {
		parts[target.Name] = target
	}
	wheels := planned(t, "everything", PlanOptions{Locked: true})
	for _, wheel := range wheels.Targets {
		if len(wheel.Parts) <= len(wheel.SMs) {
			t.Fatalf("%s has parts %v for %v", wheel.Name, wheel.Parts, wheel.SMs)
		}
		for _, name := range wheel.Parts {
			part, known := parts[name]
			if !known || part.Contexts[ContextBase] != wheel.Contexts[ContextBase] {
				t.Fatalf("%s: part %s, %+v", wheel.Name, name, part)
			}
			for argument, value := range part.Args {
				if wheel.Args[argument] != value {
					t.Errorf("%s: %s is %s for %s and %s for the wheel", wheel.Name, argument, value, name, wheel.Args[argument])
				}
			}
		}
	}
}

// The stages of a part read no argument that the part does not give.
func TestPartsGiveWhatTheirStagesRead(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	dockerfile, err := RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	cell, _ := m.Select([]string{"default"})
	for _, part := range Parts(m, k, []matrix.Cell{cell[0].Cell}) {
		if !strings.HasPrefix(string(dockerfile), "#") || stageText(t, dockerfile, part.Stage) == "" {
			t.Fatalf("no stage %s", part.Stage)
		}
		stages := []string{strings.TrimSuffix(part.Stage, "-build") + "-compile", "toolchain"}
		if part.SM == nil {
			stages[1] = "host-toolchain"
		}
		for _, stage := range stages {
			for line := range strings.SplitSeq(stageText(t, dockerfile, stage), "\n") {
				name, isArgument := strings.CutPrefix(line, "ARG ")
				if isArgument && !slices.ContainsFunc(part.arguments, func(a argument) bool { return a.name == name }) {
					t.Errorf("%s: stage %s reads %s, which the part does not give", part.Name, stage, name)
				}
			}
		}
	}
}

func TestPartsNeedTheLocksOfTheirCompilers(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	parts, err := SelectParts(m, k, []string{"kernels-cu130-sm90", "host-windows"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPartPlan(m, k, parts, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{
		{"lock/uv.txt", "lock/toolchain-cu130.txt", "lock/nvdisasm.txt", "lock/ptxas-cu130.txt"},
		{"lock/uv.txt", "lock/host-toolchain.txt"},
	} {
		if got := plan.Targets[i].LockFiles(); !slices.Equal(got, want) {
			t.Errorf("%s: locks %v, want %v", plan.Targets[i].Name, got, want)
		}
	}
}
