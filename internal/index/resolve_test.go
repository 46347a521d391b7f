package index

import (
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/gpu"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

func load(t testing.TB) *matrix.Matrix {
	t.Helper()
	m, err := matrix.Load("")
	must(t, err)
	return m
}

// plannedOf lists the wheels of the built-in definition.
func plannedOf(t testing.TB) []Candidate {
	t.Helper()
	set, err := kernels.Default()
	must(t, err)
	planned, err := Planned(load(t), set)
	must(t, err)
	return planned
}

func needOf(t testing.TB, text string) Need {
	t.Helper()
	words := strings.Fields(text)
	torch, err := ParseTorch(words[1])
	must(t, err)
	need := Need{Project: "sageattention", Python: matrix.MustVersion(words[0]), Torch: torch, CUDA: torch.CUDA, Platform: "linux_x86_64"}
	if words[2] != "-" {
		need.CUDA = matrix.MustVersion(words[2])
	}
	if len(words) > 3 && words[3] != "-" {
		found, err := gpu.Find(load(t), words[3])
		must(t, err)
		need.GPU = &found
	}
	if len(words) > 4 {
		need.Driver, err = ParseDriver(words[4])
		must(t, err)
	}
	return need
}

func resolveText(t testing.TB, text string, extra ...Candidate) []Verdict {
	t.Helper()
	planned := plannedOf(t)
	return Resolve(needOf(t, text), append(planned, extra...))
}

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		need, want, note string
	}{
		{"3.12 2.8.0 12.9", "280.129-cp312", ""},
		{"3.12.4 2.8 12.9.1", "280.129-cp312", ""},
		{"3.10 2.7.1 12.8", "270.128-cp310", ""},
		{"3.9 2.6.0 -", "260.126-cp39", ""},
		{"3.12 2.8.0 12.8", "280.129-cp312", "built with CUDA 12.9, not 12.8"},
		{"3.12 2.8.0 12.9 RTX-4090", "280.129-cp312", ""},
		{"3.12 2.8.0 12.9 V100", "280.129-cp312", ""},
		{"3.12 2.7.0 12.8 12.1", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		{"3.12 2.6.0 12.6 12.0", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		{"3.13 2.8.0 12.9", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		{"3.12 2.9.0 13.0", "291.130-cp312", ""},
		{"3.15 2.15.0 13.2", "2150.132-cp315", ""},
		{"3.12 2.12.1 12.8", "2121.126-cp312", "built with CUDA 12.6, not 12.8"},
		// As torch writes the versions of nightlies and of other makers' builds.
		{"3.12 2.8.0.dev20250324+cu126 -", "280.129-cp312", "built with CUDA 12.9, not 12.6"},
		{"3.12 2.8.0a0+5228986c39.nv25.5 -", "280.129-cp312", ""},
		{"3.12 2.8.0rc2+cu129 -", "280.129-cp312", ""},
		{"3.12 2.8.0+git1234567 -", "280.129-cp312", ""},
		// What counts is the driver that the kernels' CUDA needs.
		{"3.12 2.8.0 13.0", "280.129-cp312", "built with CUDA 12.9, not 13.0; they need the driver alone"},
		{"3.10 2.4.1 11.8", "2.2.0-py3-none-manylinux_2_17_x86_64", "need driver 525 or newer; torch's CUDA 11.8 is content with an older one"},
		{"3.10 2.7.1+cu118 -", "270.128-cp310", "need driver 525 or newer"},
		{"3.10 2.7.1+cu118 - - 570.86.10", "270.128-cp310", "they need the driver alone"},
		{"3.12 2.12.1 12.6 - 550.54.14", "2121.126-cp312", ""},
		{"3.12 2.15.0 13.0 - 580.95.05", "2150.130-cp312", ""},
		{"3.12 2.15.0 13.0 - 570.86.10", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		// Owners of GPUs that their torch's CUDA leaves out.
		{"3.12 2.15.0 13.2 V100", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		{"3.12 2.10.0 12.6 RTX-5090", "2100.128-cp312", "built with CUDA 12.8, not 12.6"},
		{"3.12 2.14.1 12.6 RTX-5090", "2.2.0-py3-none-manylinux_2_17_x86_64", ""},
		{"3.12 2.15.0 13.0 B300", "2150.130-cp312", "the driver loads that for 10.0"},
	} {
		t.Run(test.need, func(t *testing.T) {
			verdicts := resolveText(t, test.need)
			best := verdicts[0]
			if !best.Fits() || !strings.Contains(best.Candidate.Filename, test.want) {
				t.Fatalf("best is %s: %v", best.Candidate.Filename, best.Reasons)
			}
			if notes := strings.Join(best.Notes, "; "); (test.note == "") != (notes == "") || !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
			for _, other := range verdicts[1:] {
				if other.Fits() && other.Candidate.Channel == best.Candidate.Channel {
					t.Errorf("%s fits as well", other.Candidate.Filename)
				}
			}
		})
	}
}

// Without a universal wheel, the best is a wheel whose code the driver makes fit, and a note says so.
func TestResolveWithoutMachineCode(t *testing.T) {
	planned := plannedOf(t)
	cells := slices.DeleteFunc(planned, func(c Candidate) bool { return c.Channel.IsUniversal() })
	for _, test := range []struct{ need, want, note string }{
		{"3.12 2.7.0 12.8 12.1", "270.128-cp312", "12.1 needs CUDA 12.9 or newer; the driver loads that for 12.0"},
		{"3.12 2.6.0 12.6 12.0", "260.126-cp312", "12.0 needs CUDA 12.8 or newer; the driver compiles the PTX for 9.0"},
	} {
		best := Resolve(needOf(t, test.need), cells)[0]
		if notes := strings.Join(best.Notes, "; "); !strings.Contains(best.Candidate.Filename, test.want) || !strings.Contains(notes, test.note) {
			t.Errorf("%s: %s, notes %q", test.need, best.Candidate.Filename, notes)
		}
	}
}

func TestResolveSaysWhyNothingFits(t *testing.T) {
	for need, want := range map[string]string{
		"3.8 2.8.0 12.9":              "it is for Python 3.10, not 3.8",
		"3.8 2.9.0 13.0":              "it requires torch==2.7.*, not 2.9.0; it is for Python 3.10, not 3.8",
		"3.12 2.8.0+rocm6.4 -":        "this torch is built for ROCm and runs no CUDA kernel",
		"3.12 2.8.0+cpu -":            "built for the CPU alone",
		"3.12 2.8.0+xpu -":            "built for Intel's GPUs",
		"3.12 2.8.0 12.9 - 470.82.01": "its kernels are built with CUDA 12.9 and need driver 525 or newer, not 470",
		"3.12 2.3.1 12.1":             "it requires torch>=2.4, not 2.3.1",
		"3.12 2.8.0 12.9 6.1":         "it has no code for SM 6.1: it has 7.0 7.5",
	} {
		t.Run(need, func(t *testing.T) {
			all := ""
			for _, v := range resolveText(t, need) {
				if v.Fits() {
					t.Errorf("%s fits", v.Candidate.Filename)
				}
				all += strings.Join(v.Reasons, "; ") + "\n"
			}
			if !strings.Contains(all, want) {
				t.Errorf("no %q in\n%s", want, all)
			}
		})
	}
	facts := strings.Join(Facts(load(t), needOf(t, "3.12 2.9.0 12.9")), "\n")
	if !strings.Contains(facts, "torch 2.9 is built for CUDA 12.6, 12.8 and 13.0 (source:") || strings.Contains(facts, "torch 2.8") {
		t.Errorf("facts:\n%s", facts)
	}
}

func TestResolveKnowsFilesAndPlatforms(t *testing.T) {
	p := newPlace(t, of280(), cellOf("270.128", "2.7", "313"))
	sample{version: "2.2.0", tag: "py3-none-manylinux_2_17_x86_64", requires: "torch>=2.4", python: ">=3.9"}.write(t, p.dist)
	bad := cellOf("281.129", "2.8", "313")
	bad.badRecord = true
	bad.write(t, p.dist)
	planned := plannedOf(t)
	all, skipped, err := AddFiles(planned, p.dist)
	must(t, err)
	if len(skipped) != 1 || !strings.Contains(skipped[0].Error(), bad.name()) {
		t.Errorf("skipped %v", skipped)
	}
	for need, want := range map[string]string{
		"3.13 2.7.0 12.8": "270.128-cp313", "3.12 2.8.0 12.9": "280.129-cp312", "3.14 2.8.0 12.9": "2.2.0-py3-none",
	} {
		best := Resolve(needOf(t, need), all)[0]
		if !best.Fits() || !strings.Contains(best.Candidate.Filename, want) || best.Candidate.File == "" {
			t.Errorf("%s: %s in %q: %v", need, best.Candidate.Filename, best.Candidate.File, best.Reasons)
		}
	}
	elsewhere := needOf(t, "3.12 2.8.0 12.9")
	elsewhere.Platform = "macosx_14_0_arm64"
	if best := Resolve(elsewhere, all)[0]; best.Fits() || !best.OtherMachine || !strings.Contains(strings.Join(best.Reasons, ""), "not macosx_14_0_arm64") {
		t.Errorf("%s: %v", best.Candidate.Filename, best.Reasons)
	}
}

func TestFitsPython(t *testing.T) {
	for _, test := range []struct {
		tag, abi, python string
		want             bool
	}{
		{"cp312", "cp312", "3.12", true}, {"cp312", "cp312", "3.13", false}, {"cp39", "abi3", "3.13", true}, {"cp39", "abi3", "3.8", false},
		{"py3", "none", "3.14", true}, {"py310", "none", "3.9", false}, {"py2", "none", "3.9", false}, {"pp310", "pypy310_pp73", "3.10", false},
		{"cp", "cp", "3.12", false}, {"c", "c", "3.12", false}, {"cp3x", "none", "3.12", false},
	} {
		if got := fitsPython(test.tag, []string{test.abi}, matrix.MustVersion(test.python)); got != test.want {
			t.Errorf("%s-%s for %s: %v", test.tag, test.abi, test.python, got)
		}
	}
}

func TestInstallCommands(t *testing.T) {
	best := func(file string) Candidate {
		c := resolveText(t, "3.12 2.8.0 12.9")[0].Candidate
		c.File = file
		return c
	}
	name := of280().name()
	for _, test := range []struct {
		file, site, dist, torch string
		want                    Commands
	}{
		{"dist/" + name, "", "dist", "2.8.0", Commands{"", "pip install dist/" + name + " torch==2.8.0", "uv pip install dist/" + name + " torch==2.8.0"}},
		{"my dist/" + name, "", "my dist", "2.8", Commands{"", "pip install 'my dist/" + name + "' 'torch==2.8.*'", "uv pip install 'my dist/" + name + "' 'torch==2.8.*'"}},
		{"", "", "dist", "2.8.0", Commands{"sagebuild bake linux-sage2-pytorch28-cu129-python312", "pip install dist/" + name + " torch==2.8.0", "uv pip install dist/" + name + " torch==2.8.0"}},
		{"", "", "my dist", "2.8.0.dev20250324+cu126", Commands{"sagebuild bake linux-sage2-pytorch28-cu129-python312 --dist 'my dist'",
			"pip install 'my dist/" + name + "' torch==2.8.0.dev20250324", "uv pip install 'my dist/" + name + "' torch==2.8.0.dev20250324"}},
		{"", "https://example.org/w/", "dist", "2.8.0", Commands{"", "pip install --index-url https://example.org/w/simple/cu129/torch2.8/ sageattention==2.2.0",
			"uv pip install --default-index https://example.org/w/simple/cu129/torch2.8/ sageattention==2.2.0"}},
	} {
		torch, err := ParseTorch(test.torch)
		must(t, err)
		need := Need{Project: "sageattention", Torch: torch}
		if got := InstallCommands(best(test.file), need, test.site, test.dist); got != test.want {
			t.Errorf("got  %+v\nwant %+v", got, test.want)
		}
	}
}
