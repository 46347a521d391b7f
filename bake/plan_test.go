package bake

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/matrix"
)

func planned(t *testing.T, names string, options PlanOptions) *Plan {
	t.Helper()
	m, k := matrixtest.Definition(t, sourceDir)
	selection, err := m.Select(strings.Fields(names))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := NewPlan(m, k, selection, options)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestPlanOfTheDefaultWheel(t *testing.T) {
	plan := planned(t, "default", PlanOptions{Command: "bake"})
	if plan.Command != "bake" || plan.Matrix != matrix.DefaultFile || len(plan.Targets) != 1 {
		t.Fatalf("plan %+v", plan)
	}
	target := plan.Targets[0]
	if target.Stage != "wheel" || target.Output != "dist" || target.Wheel != "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl" {
		t.Errorf("stage %s, output %s, wheel %s", target.Stage, target.Output, target.Wheel)
	}
	for name, want := range map[string]string{
		"CUDA": "12.9.1", "CUDA_DIGITS": "129", "INTERPRETER": "3.12", "LIBRARY": "libsageattn.so", "HOST_TARGET": "x86_64-linux-gnu.2.17",
		"VERSION": "2.2.0", "BUILD_TAG": "280.129", "PYTHON_TAG": "cp312", "ABI_TAG": "cp312", "PLATFORM_TAG": "linux_x86_64",
		"PTX_SM": "12.0", "SM70": "build", "SM121": "build", "REQUIRES_TORCH": "torch==2.8.*", "SOURCE_DATE_EPOCH": "315532800", "WHEEL_EPOCH": "315532800",
	} {
		if target.Args[name] != want {
			t.Errorf("argument %s is %q, want %q", name, target.Args[name], want)
		}
	}
	steps := strings.Join(target.Steps, " ")
	if !strings.HasPrefix(steps, "system uv toolchain nvdisasm ptxas ptx-sm80 ptx-sm86 ptx-sm86-sage2 ptx-sm89-sage2 ptx-sm100 ptx-sm100-sage2 kernels-sm70 ") || !strings.HasSuffix(steps, " kernels-sm120 kernels-sm120-sage2 kernels-sm121-sage2 kernels host-toolchain host builder wheel") {
		t.Errorf("steps %s", steps)
	}
}

func TestPlanSaysWhatIsLeftOut(t *testing.T) {
	target := planned(t, "linux-sage2-pytorch26-cu126-python39", PlanOptions{}).Targets[0]
	if target.Args["SM120"] != "skip" || target.Args["SM90"] != "build" || target.Args["PTX_SM"] != "9.0" {
		t.Errorf("arguments %v", target.Args)
	}
	if slices.Contains(target.Steps, "kernels-sm120") {
		t.Errorf("the plan runs a stage that is skipped: %v", target.Steps)
	}
	if len(target.Excluded) != 4 {
		t.Fatalf("excluded %v", target.Excluded)
	}
	if len(target.Shared) != 0 {
		t.Errorf("shared %v", target.Shared)
	}
	first := target.Excluded[0]
	if first.SM.String() != "10.0" || first.Rule != "sm-minimum" || first.Reason != "10.0 needs CUDA 12.8 or newer" || first.Source == "" {
		t.Errorf("exclusion %+v", first)
	}
}

func TestPlanOfATest(t *testing.T) {
	const cell = "linux-sage2-pytorch26-cu126-python39"
	options := PlanOptions{
		Command: "test", Output: "out", SourceDateEpoch: "1700000000",
		BaseImage: "oci-layout:///base", PythonImage: "mirror/python:{python}",
	}
	plan := planned(t, "test-"+cell, options)
	target := plan.Targets[0]
	if plan.Command != "test" || target.Cell != cell || target.Stage != "test" || target.Output != "out/test-results/"+cell {
		t.Errorf("command %s, target %+v", plan.Command, target)
	}
	wantContexts(t, target, map[string]string{"base": "oci-layout:///base", "python": "docker-image://mirror/python:3.9"})
	if target.Args["SMS"] != "7.0 7.5 8.0 8.6 8.7 8.9 9.0" || !strings.Contains(target.Args["KERNELS"], "attention_fp16_masked_hd128") {
		t.Errorf("the test does not learn what the wheel holds: %v", target.Args)
	}
	if target.Args["TORCH"] != "2.6.0" || target.Args["PYTHON_DIGITS"] != "39" {
		t.Errorf("the test does not learn what it runs on: %v", target.Args)
	}
	if target.Args["WHEEL_EPOCH"] != "1700000000" || target.Args["SOURCE_DATE_EPOCH"] != SourceDateEpoch {
		t.Errorf("WHEEL_EPOCH is %s, SOURCE_DATE_EPOCH %s", target.Args["WHEEL_EPOCH"], target.Args["SOURCE_DATE_EPOCH"])
	}
	if !slices.Contains(target.Steps, "builder") || target.Steps[len(target.Steps)-1] != "test" {
		t.Errorf("steps %v", target.Steps)
	}
}

func wantContexts(t *testing.T, target Target, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name, context := range target.Contexts {
		got[name] = context.String()
	}
	if !maps.Equal(got, want) {
		t.Errorf("contexts %v, want %v", got, want)
	}
}

// A context that the machine makes itself is typed: no caller has to parse the context's text.
func TestPlanTakesTreesFromTheLock(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"linux-sage2-pytorch28-cu129-python312":        {"base": "lock://debian"},
		"test-linux-sage2-pytorch28-cu129-python312":   {"base": "lock://debian", "python": "lock://python-3.12"},
		"test-windows-sage2-pytorch28-cu129-python312": {"base": "lock://debian", "python": "lock://windows/python-3.12", "emulator": "lock://windows/emulator"},
	} {
		target := planned(t, name, PlanOptions{Locked: true, TestStage: StageTestReport}).Targets[0]
		wantContexts(t, target, want)
		if last := target.Steps[len(target.Steps)-1]; last != target.Stage || target.Selection.Test != nil && last != StageTestReport {
			t.Errorf("%s ends with stage %s, stage is %s", name, last, target.Stage)
		}
	}
}

func TestPlanRefusesOptions(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	for want, options := range map[string]PlanOptions{
		`SOURCE_DATE_EPOCH is "today", want whole seconds`: {SourceDateEpoch: "today"},
		`SOURCE_DATE_EPOCH is "-1"`:                        {SourceDateEpoch: "-1"},
		`SOURCE_DATE_EPOCH is "4354819200"`:                {SourceDateEpoch: "4354819200"},
		`SOURCE_DATE_EPOCH is "1.5"`:                       {SourceDateEpoch: "1.5"},
	} {
		_, err := NewPlan(m, k, nil, options)
		if !errors.Is(err, diag.Usage) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", options, err, want)
		}
	}
}

// A universal wheel is for no interpreter; each of its tests is a target of its own, with results of its own.
func TestPlanOfAUniversalWheel(t *testing.T) {
	plan := planned(t, "linux-sage2-universal test-linux-sage2-universal", PlanOptions{})
	if len(plan.Targets) != 4 {
		t.Fatalf("%d targets, want the wheel and three tests", len(plan.Targets))
	}
	wheel, test := plan.Targets[0], plan.Targets[3]
	for name, want := range map[string]string{
		"BUILD_TAG": "", "INTERPRETER": "", "PYTHON_TAG": "py3", "ABI_TAG": "none", "PLATFORM_TAG": "manylinux_2_17_x86_64", "REQUIRES_TORCH": "torch>=2.4",
	} {
		if wheel.Args[name] != want || test.Args[name] != want {
			t.Errorf("argument %s is %q and %q, want %q", name, wheel.Args[name], test.Args[name], want)
		}
	}
	if test.Torch != "2.15.0" || test.Args["TORCH_DIGITS"] != "215" || test.Output != "dist/test-results/linux-sage2-universal-pytorch215-python312" {
		t.Errorf("test %+v", test)
	}
}

// The tests of another platform run in its emulator, on a torch without CUDA libraries.
func TestPlanOfAnEmulatedTest(t *testing.T) {
	target := planned(t, "test-linux-arm64-sage2-universal", PlanOptions{}).Targets[0]
	if target.Args["EMULATOR"] != "qemu" {
		t.Errorf("arguments %v", target.Args)
	}
	debian := "docker-image://debian:bookworm-slim"
	wantContexts(t, target, map[string]string{"base": debian, "emulator": debian, "python": "docker-image://python:3.12-slim-bookworm"})
	files := target.LockFiles()
	if slices.Contains(target.Steps, "libraries") || !slices.Contains(files, "lock/torch28-python312-linux-arm64.txt") {
		t.Errorf("steps %v, lock files %v", target.Steps, files)
	}
}

func TestPlanWithAWheelBuildsNothing(t *testing.T) {
	target := planned(t, "test-linux-sage2-pytorch28-cu129-python312", PlanOptions{WheelFile: "dist/some.whl"}).Targets[0]
	if target.Contexts["wheel"] != (Context{Wheel: "dist/some.whl"}) {
		t.Errorf("contexts %v", target.Contexts)
	}
	for _, step := range target.Steps {
		if strings.HasPrefix(step, "kernels") || step == "builder" || step == "toolchain" {
			t.Errorf("the plan runs %s", step)
		}
	}
}

func TestPlanPrintsAsJSON(t *testing.T) {
	plan := planned(t, "default", PlanOptions{})
	content, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"sms":["7.0",`, `"excluded":[{"sm":"11.0","rule":"sm-minimum","reason":"11.0 needs CUDA 13.0 or newer","source":`, `"cuda":"12.9.1"`, `"steps":["system",`} {
		if !strings.Contains(string(content), want) {
			t.Errorf("the JSON lacks %s: %s", want, content)
		}
	}
	if strings.Contains(string(content), "null") {
		t.Errorf("null in %s", content)
	}
}
