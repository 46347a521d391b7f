package matrix

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T, path string) *Matrix {
	t.Helper()
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// homeTargets are cells on the platform of the default target. A group whose name says no platform takes its cells
// from that platform.
var homeTargets = []string{
	"linux-sage2-pytorch26-cu126-python39",
	"linux-sage2-pytorch26-cu126-python310",
	"linux-sage2-pytorch26-cu126-python311",
	"linux-sage2-pytorch26-cu126-python312",
	"linux-sage2-pytorch27-cu128-python310",
	"linux-sage2-pytorch27-cu128-python311",
	"linux-sage2-pytorch27-cu128-python312",
	"linux-sage2-pytorch28-cu129-python310",
	"linux-sage2-pytorch28-cu129-python311",
	"linux-sage2-pytorch28-cu129-python312",
}

// onPlatform renames the home targets to the platform called name, which has cells of Python 3.10 and newer alone.
func onPlatform(name string) []string {
	var targets []string
	for _, target := range homeTargets[1:] {
		targets = append(targets, name+strings.TrimPrefix(target, "linux"))
	}
	return targets
}

// newerTorches are the torches after 2.8, with the CUDAs that PyTorch builds each torch for.
var newerTorches = []struct{ torch, cudas, pythons string }{
	{"29", "126 128 130", "310 311 312 313 314"},
	{"210", "126 128 130", "310 311 312 313 314"},
	{"211", "126 128 130", "310 311 312 313 314"},
	{"212", "126 130 132", "310 311 312 313 314"},
	{"213", "126 130 132", "310 311 312 313 314"},
	{"214", "126 130 132", "310 311 312 313 314"},
	{"215", "130 132", "311 312 313 314 315"},
}

func defaultTargets() []string {
	targets := slices.Concat(homeTargets, onPlatform("linux-arm64"), onPlatform("windows"))
	for _, platform := range []string{"linux", "linux-arm64", "windows"} {
		for _, release := range newerTorches {
			for _, cuda := range strings.Fields(release.cudas) {
				for _, python := range strings.Fields(release.pythons) {
					targets = append(targets, platform+"-sage2-pytorch"+release.torch+"-cu"+cuda+"-python"+python)
				}
			}
		}
		targets = append(targets, platform+"-sage2-universal")
	}
	return targets
}

func TestDefaultCells(t *testing.T) {
	m := load(t, "")
	ofSage2 := m.cellsWhere(func(c Cell) bool { return c.Package.Name == "sage2" })
	if got, want := slices.Sorted(slices.Values(targetsOf(ofSage2))), slices.Sorted(slices.Values(defaultTargets())); !slices.Equal(got, want) {
		t.Errorf("%d targets, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	if got := words(m.SMs()); got != "7.0 7.5 8.0 8.6 8.7 8.9 9.0 10.0 11.0 12.0 12.1" {
		t.Errorf("SMs %s", got)
	}
	if got := words(m.Capabilities()); got != "7.0 7.5 8.0 8.6 8.7 8.8 8.9 9.0 10.0 10.3 11.0 12.0 12.1" {
		t.Errorf("capabilities %s", got)
	}
	for cuda, want := range map[string]struct{ version, sms, excluded string }{
		"126": {"12.6.1", "7.0 7.5 8.0 8.6 8.7 8.9 9.0",
			"10.0 needs CUDA 12.8 or newer, 11.0 needs CUDA 13.0 or newer, 12.0 needs CUDA 12.8 or newer, 12.1 needs CUDA 12.9 or newer"},
		"128": {"12.8.1", "7.0 7.5 8.0 8.6 8.7 8.9 9.0 10.0 12.0", "11.0 needs CUDA 13.0 or newer, 12.1 needs CUDA 12.9 or newer"},
		"129": {"12.9.1", "7.0 7.5 8.0 8.6 8.7 8.9 9.0 10.0 12.0 12.1", "11.0 needs CUDA 13.0 or newer"},
		"130": {"13.0.2", "7.5 8.0 8.6 8.7 8.9 9.0 10.0 11.0 12.0 12.1", "CUDA 13.0 dropped 7.0"},
		"132": {"13.2.2", "7.5 8.0 8.6 8.7 8.9 9.0 10.0 11.0 12.0 12.1", "CUDA 13.0 dropped 7.0"},
	} {
		for _, cell := range ofSage2 {
			if cell.CUDA.Minor().Digits() != cuda {
				continue
			}
			if got := cell.CUDA.String(); got != want.version {
				t.Errorf("%s: CUDA %s, want %s", cell.Target(), got, want.version)
			}
			if got := words(cell.SMs); got != want.sms {
				t.Errorf("%s: SMs %s, want %s", cell.Target(), got, want.sms)
			}
			if got := reasons(cell); got != want.excluded {
				t.Errorf("%s: left out %q, want %q", cell.Target(), got, want.excluded)
			}
		}
	}
}

// Every platform tests every torch on at least one Python. No test runs on Python 3.15, because there is no
// interpreter of Python 3.15.
func TestWhatIsTested(t *testing.T) {
	m := load(t, "")
	tested := map[string]bool{}
	for _, cell := range m.Cells() {
		if len(cell.Runtimes) > 0 {
			tested[cell.Platform.Name+" "+cell.Torch.Minor().String()] = true
		}
		if cell.Python.String() == "3.15" && len(cell.Runtimes) > 0 {
			t.Errorf("%s is tested on an interpreter that the lock does not have", cell.Target())
		}
	}
	for _, cell := range m.Cells() {
		if !tested[cell.Platform.Name+" "+cell.Torch.Minor().String()] {
			t.Errorf("no wheel of torch %s is tested on %s", cell.Torch, cell.Platform.Name)
		}
	}
	if _, err := m.SelectTests([]string{"linux-sage2-pytorch215-cu132-python315"}); err == nil {
		t.Error("a test of a wheel that has none is no error")
	}
}

func words(sms []SM) string {
	var all []string
	for _, sm := range sms {
		all = append(all, sm.String())
	}
	return strings.Join(all, " ")
}

func reasons(cell Cell) string {
	var all []string
	for _, e := range cell.Excluded {
		all = append(all, e.Reason())
	}
	return strings.Join(all, ", ")
}

func TestNamesOfTheDefaultCell(t *testing.T) {
	selected, err := load(t, "").Select(nil)
	if err != nil || len(selected) != 1 {
		t.Fatalf("the default group is %v, %v", selected, err)
	}
	cell := selected[0].Cell
	compareNames(t, map[string][2]string{
		"target":             {cell.Target(), "linux-sage2-pytorch28-cu129-python312"},
		"test target":        {strings.Join(cell.TestTargets(), " "), "test-linux-sage2-pytorch28-cu129-python312"},
		"wheel":              {cell.WheelName(), "sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl"},
		"build tag":          {cell.BuildTag(), "280.129"},
		"Python tag":         {cell.PythonTag(), "cp312"},
		"torch requirement":  {cell.TorchRequirement(), "torch==2.8.*"},
		"Python requirement": {cell.PythonRequirement(), ">=3.12,<3.13"},
		"host target":        {cell.Platform.HostTarget(), "x86_64-linux-gnu.2.17"},
		"PTX":                {words(cell.PTX), "12.0"},
	})
}

func compareNames(t *testing.T, names map[string][2]string) {
	t.Helper()
	for what, pair := range names {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
}

func TestNamesOfUniversalWheels(t *testing.T) {
	m := load(t, "")
	cell, _ := m.cell("linux-sage2-universal")
	tests := "test-linux-sage2-universal-pytorch24-python39 test-linux-sage2-universal-pytorch26-python39 test-linux-sage2-universal-pytorch215-python312"
	compareNames(t, map[string][2]string{
		"wheel":              {cell.WheelName(), "sageattention-2.2.0-py3-none-manylinux_2_17_x86_64.whl"},
		"test targets":       {strings.Join(cell.TestTargets(), " "), tests},
		"build tag":          {cell.BuildTag(), ""},
		"torch requirement":  {cell.TorchRequirement(), "torch>=2.4"},
		"Python requirement": {cell.PythonRequirement(), ">=3.9"},
		"SMs":                {words(cell.SMs), "7.0 7.5 8.0 8.6 8.7 8.9 9.0 10.0 12.0 12.1"},
	})
	for target, want := range map[string]string{
		"linux-arm64-sage2-universal":                 "sageattention-2.2.0-py3-none-manylinux_2_17_aarch64.whl",
		"windows-sage2-universal":                     "sageattention-2.2.0-py3-none-win_amd64.whl",
		"linux-arm64-sage2-pytorch28-cu129-python312": "sageattention-2.2.0-280.129-cp312-cp312-linux_aarch64.whl",
		"windows-sage2-pytorch28-cu129-python312":     "sageattention-2.2.0-280.129-cp312-cp312-win_amd64.whl",
	} {
		if cell, ok := m.cell(target); !ok || cell.WheelName() != want {
			t.Errorf("%s makes %q, want %q", target, cell.WheelName(), want)
		}
	}
	windows, _ := m.cell("windows-sage2-universal")
	compareNames(t, map[string][2]string{
		"host target": {windows.Platform.HostTarget(), "x86_64-windows-gnu"},
		"library":     {windows.Platform.Library, "sageattn.dll"},
	})
}

func TestWheelNamesAreDistinct(t *testing.T) {
	seen := map[string]string{}
	for _, cell := range load(t, "").Cells() {
		if other, ok := seen[cell.WheelName()]; ok {
			t.Errorf("%s and %s have the same wheel name", other, cell.Target())
		}
		seen[cell.WheelName()] = cell.Target()
	}
}

// The minimum CUDA of each SM is the one in the table of requirements.
func TestMinimumCUDA(t *testing.T) {
	want := map[string]string{
		"7.0": "12.0", "7.5": "12.0", "8.0": "12.0", "8.6": "12.0", "8.7": "12.0",
		"8.9": "12.4", "9.0": "12.3", "10.0": "12.8", "11.0": "13.0", "12.0": "12.8", "12.1": "12.9",
	}
	m := load(t, "")
	for _, family := range m.sms {
		if !family.compiled() {
			continue
		}
		if got := family.minimum.String(); got != want[family.sm.String()] {
			t.Errorf("%s needs CUDA %s, want %s", family.sm, got, want[family.sm.String()])
		}
	}
}

func TestEveryRuleHasASource(t *testing.T) {
	kinds := map[string]bool{}
	for _, rule := range load(t, "").Rules() {
		kinds[rule.Name] = true
		if rule.Text == "" || rule.Subject == "" || len(rule.Source) < 10 {
			t.Errorf("%+v lacks a text or a source", rule)
		}
	}
	for _, name := range []string{ruleTorchCUDA, ruleTorchPython, ruleCUDATargets, ruleCUDADrops, ruleSMMinimum, ruleSMImage, rulePackageSMs, "package-torch", "package-cuda", "package-python"} {
		if !kinds[name] {
			t.Errorf("there is no rule %s", name)
		}
	}
}

func TestGPUNames(t *testing.T) {
	m := load(t, "")
	for sm, gpu := range map[SM]string{
		{7, 0}: "V100", {7, 5}: "RTX 20", {8, 0}: "A100", {8, 6}: "RTX 30", {8, 7}: "Jetson Orin", {8, 9}: "RTX 40",
		{9, 0}: "H100", {10, 0}: "B200", {10, 3}: "B300", {11, 0}: "Jetson Thor", {12, 0}: "RTX 50", {12, 1}: "DGX Spark",
	} {
		if !slices.Contains(m.GPUs(sm), gpu) {
			t.Errorf("%s is not among the GPUs of %s: %v", gpu, sm, m.GPUs(sm))
		}
	}
}

// Adding a torch takes one edit of the definition, which adds the torch's facts and the torch's cells.
func TestAddTorch299(t *testing.T) {
	added, err := os.ReadFile("testdata/torch299.hcl")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse("torch299.hcl", slices.Concat(defaultDefinition, added))
	if err != nil {
		t.Fatal(err)
	}
	cell, ok := m.cell("linux-sage2-pytorch299-cu130-python313")
	if !ok {
		t.Fatalf("the new target is missing: %v", m.targets())
	}
	if got := cell.WheelName(); got != "sageattention-2.2.0-2990.130-cp313-cp313-linux_x86_64.whl" {
		t.Errorf("wheel %s", got)
	}
	if got := reasons(cell); got != "CUDA 13.0 dropped 7.0" {
		t.Errorf("left out %q", got)
	}
	groups, before := groupsOf(m), groupsOf(load(t, ""))
	for _, name := range []string{"pytorch299", "python313", "current", "everything", "linux-all"} {
		if !slices.Contains(groups[name], cell.Target()) {
			t.Errorf("group %s lacks the new target: %v", name, groups[name])
		}
	}
	for _, name := range []string{"default", "sage2-all", "sage3-all", "stable", "test-all", "python312", "universal", "test-universal"} {
		if !slices.Equal(groups[name], before[name]) {
			t.Errorf("a new torch changes group %s: %v", name, groups[name])
		}
	}
	if slices.Contains(groups["current"], "linux-sage2-pytorch215-cu130-python311") || !slices.Contains(groups["current"], "linux-sage3-pytorch215-cu130-python311") {
		t.Errorf("current is not each package's newest torch: %v", groups["current"])
	}
}
