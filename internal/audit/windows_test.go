package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/tests/dll"
)

const windowsName = "fixture-1.0-cp312-cp312-win_amd64.whl"

func TestDLLGroup(t *testing.T) {
	own := map[string]bool{"own.dll": true, "msvcp140-0a1b.dll": true}
	for _, c := range []struct {
		group    Group
		external bool // neither in the wheel nor on every Windows with a CPython
		names    string
	}{
		{GroupWindows, false, "KERNEL32.dll api-ms-win-core-synch-l1-2-0.dll WS2_32.dll msvcrt.dll WINSPOOL.DRV"},
		{GroupUCRT, false, "api-ms-win-crt-heap-l1-1-0.dll ucrtbase.dll"},
		{GroupMSVC, false, "VCRUNTIME140.dll VCRUNTIME140_1.dll"},
		{GroupMSVC, true, "MSVCP140.dll VCOMP140.DLL MSVCP140_ATOMIC_WAIT.dll vcruntime140_threads.dll"},
		{GroupC10, true, "c10.dll c10_cuda.dll"},
		{GroupTorch, true, "torch_cpu.dll torch.dll torch_python.dll torch_cuda.dll"},
		{GroupRuntime, true, "cudart64_12.dll cudart64_110.dll"},
		{GroupDriver, true, "nvcuda.dll"},
		{GroupCUDA, true, "cublasLt64_13.dll cublas64_12.dll nvJitLink_120_0.dll nvrtc64_120_0.dll nvinfer_10.dll"},
		{GroupCUDA, true, "cudnn64_9.dll cudnn_graph64_9.dll nppif64_12.dll cufft64_11.dll cusparse64_12.dll"},
		{GroupPython, false, "python312.dll python3.dll python313t.dll"},
		{GroupWheel, false, "OWN.dll msvcp140-0a1b.dll"},
		{GroupOther, true, "avcodec-61.dll amdhip64_7.dll pythoncom312.dll"},
	} {
		for name := range strings.FieldsSeq(c.names) {
			if got := dllGroup(name, own); got != c.group || externalDLL(name, own) != c.external {
				t.Errorf("%s: %s, external %v; want %s, %v", name, got, !c.external, c.group, c.external)
			}
		}
	}
}

// extension is a module of Python that takes one symbol of each DLL.
func extension(libraries ...string) dll.DLL {
	d := dll.DLL{Name: "_C.pyd", Exports: []string{"PyInit__C"}}
	for _, library := range libraries {
		d.Imports = append(d.Imports, dll.Import{Library: library, Symbols: []string{"symbol"}})
	}
	return d
}

// TestPythonDLL wants a module to link the Python that its wheel's tag asks for.
func TestPythonDLL(t *testing.T) {
	for name, wrong := range map[string]map[string]bool{
		"fixture-1.0-cp312-cp312-win_amd64.whl":           {"python312.dll": false, "Python3.dll": false, "python311.dll": true, "python312t.dll": true},
		"fixture-1.0-cp313-cp313t-win_amd64.whl":          {"python313t.dll": false, "python313.dll": true},
		"fixture-1.0-cp39-abi3-win_amd64.whl":             {"python3.dll": false, "python39.dll": true},
		"fixture-1.0-py3-none-win_amd64.whl":              {"python3.dll": false, "python312.dll": true, "KERNEL32.dll": false},
		"fixture-1.0-cp311.cp312-abi3.none-win_amd64.whl": {"python311.dll": false},
	} {
		for library, want := range wrong {
			r := audited(t, defaults(t), name, file{"fixture/_C.pyd", extension(library).Bytes()})
			if got := slices.Contains(r.codes(finding.Error), CodePython); got != want {
				t.Errorf("%s linking %s: finding %v, want %v: %+v", name, library, got, want, r.Findings)
			}
		}
	}
}

// TestDLLFindings takes a good wheel for Windows and changes one thing.
func TestDLLFindings(t *testing.T) {
	for name, c := range map[string]struct {
		wheel            string
		change           func(d *dll.DLL)
		errors, warnings []finding.Code
	}{
		"nothing":            {windowsName, func(*dll.DLL) {}, nil, nil},
		"linked on a day":    {windowsName, func(d *dll.DLL) { d.Timestamp = 1_700_000_000 }, nil, nil},
		"a PDB by its name":  {windowsName, func(d *dll.DLL) { d.PDB = "_C.pdb" }, nil, nil},
		"a PDB by its path":  {windowsName, func(d *dll.DLL) { d.PDB = `C:\b\_C.pdb` }, nil, []finding.Code{finding.CodeBuildPath}},
		"ARM64":              {windowsName, func(d *dll.DLL) { d.Machine = 0xaa64 }, []finding.Code{CodePlatformTag}, nil},
		"32 bits by its tag": {"fixture-1.0-cp312-cp312-win32.whl", func(*dll.DLL) {}, []finding.Code{CodePlatformTag}, nil},
		"Linux by its tag":   {"fixture-1.0-cp312-cp312-linux_x86_64.whl", func(*dll.DLL) {}, []finding.Code{CodePlatformTag}, nil},
		"macOS by its tag":   {"fixture-1.0-cp312-cp312-macosx_11_0_x86_64.whl", func(*dll.DLL) {}, []finding.Code{CodePlatformTag}, nil},
		"any":                {"fixture-1.0-py3-none-any.whl", func(*dll.DLL) {}, []finding.Code{CodePlatformTag}, nil},
	} {
		d := extension("python3.dll", "KERNEL32.dll")
		c.change(&d)
		r := audited(t, defaults(t), c.wheel, file{"fixture/_C.pyd", d.Bytes()})
		if got := r.codes(finding.Error); !slices.Equal(got, c.errors) {
			t.Errorf("%s: errors %q, want %q", name, got, c.errors)
		}
		if got := r.codes(finding.Warning); !slices.Equal(got, c.warnings) {
			t.Errorf("%s: warnings %q, want %q", name, got, c.warnings)
		}
	}
}

// TestDLLReport wants what only DLLs have in the tables, groups by DLL, and a library of the wheel to be known as
// such.
func TestDLLReport(t *testing.T) {
	d := extension("c10.dll", "cudart64_12.dll", "python312.dll", "Helper.dll", "KERNEL32.dll", "MSVCP140.dll", "vcruntime140.dll")
	d.Imports[4].Symbols = []string{"#7", "Sleep"}
	d.Delayed = []dll.Import{{Library: "nvcuda.dll", Symbols: []string{"cuInit"}}}
	d.Timestamp, d.PDB = 1_700_000_000, `C:\b\_C.pdb`
	r := audited(t, defaults(t), windowsName, file{"fixture/_C.pyd", d.Bytes()}, file{"fixture/helper.dll", extension("ucrtbase.dll").Bytes()})
	groups := map[Group]int{}
	for _, group := range r.Symbols {
		groups[group.Group] += group.Count
	}
	for group, want := range map[Group]int{GroupC10: 1, GroupRuntime: 1, GroupPython: 1, GroupWheel: 1, GroupWindows: 2, GroupMSVC: 2, GroupDriver: 1, GroupUCRT: 1} {
		if groups[group] != want {
			t.Errorf("%s gives %d symbols, want %d", group, groups[group], want)
		}
	}
	if o := r.Objects[0]; !slices.Equal(o.External, []string{"c10.dll", "cudart64_12.dll", "MSVCP140.dll", "nvcuda.dll"}) || o.Linked != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v", o)
	}
	if (r.Floor != Floor{}) {
		t.Errorf("floor %+v", r.Floor)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`C:\b\_C.pdb`, "2023-11-14T22:13:20Z", "nvcuda.dll", "KERNEL32.dll#7"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), "manylinux") {
		t.Errorf("a floor of Linux in\n%s", text.String())
	}
}

// TestDLLDependencies wants patterns of a policy to fit in any case.
func TestDLLDependencies(t *testing.T) {
	for pattern, want := range map[string]int{"Kernel32.DLL": 1, "*.dll": 0, "python3*.dll": 1, "vc*": 2} {
		policy, err := ParsePolicy("policy.hcl", []byte(`dependencies = ["`+pattern+`"]`))
		if err != nil {
			t.Fatal(err)
		}
		options := defaults(t)
		options.Policy = policy
		r := audited(t, options, windowsName, file{"fixture/_C.pyd", extension("python312.dll", "KERNEL32.dll").Bytes()})
		if len(r.Findings) != want {
			t.Errorf("%s: %+v", pattern, r.Findings)
		}
	}
}

// windowsTorches are the same small torch as a directory and as a wheel.
func windowsTorches(t *testing.T) []string {
	files := []file{
		{"torch/lib/c10.dll", dll.DLL{Name: "c10.dll", Exports: []string{"?one@c10@@", "?both@@"}}.Bytes()},
		{"torch/lib/torch_cpu.dll", dll.DLL{Name: "torch_cpu.dll", Exports: []string{"?two@at@@", "?three@at@@"}, Imports: []dll.Import{{Library: "c10.dll", Symbols: []string{"?one@c10@@"}}}}.Bytes()},
	}
	dir := filepath.Join(t.TempDir(), "torch", "lib")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.name)), f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name := "torch-2.8.0-cp312-cp312-win_amd64.whl"
	return []string{dir, write(t, name, pack(t, name, files...))}
}

// TestTorchDLL wants each symbol in the DLL that the import names: a ?both@@ of another DLL counts as missing.
func TestTorchDLL(t *testing.T) {
	d := extension()
	d.Imports = []dll.Import{
		{Library: "C10.dll", Symbols: []string{"?one@c10@@", "#2", "#9"}},
		{Library: "torch_cpu.dll", Symbols: []string{"?two@at@@", "?both@@"}},
		{Library: "torch_cuda.dll", Symbols: []string{"?four@at@@", "?five@at@@"}},
		{Library: "KERNEL32.dll", Symbols: []string{"Sleep"}},
	}
	for _, torch := range windowsTorches(t) {
		options := defaults(t)
		options.Torch = torch
		r := audited(t, options, windowsName, file{"fixture/_C.pyd", d.Bytes()})
		var missing []string
		for _, symbol := range r.Torch.Missing {
			missing = append(missing, symbol.Library+" "+symbol.Name)
		}
		if want := []string{"c10.dll #9", "torch_cpu.dll ?both@@", "torch_cuda.dll ?five@at@@", "torch_cuda.dll ?four@at@@"}; !slices.Equal(missing, want) || r.Torch.Asked != 7 {
			t.Errorf("%s: %d asked, missing %q, want %q", torch, r.Torch.Asked, missing, want)
		}
		if !slices.Equal(r.Torch.Absent, []string{"torch_cuda.dll"}) || len(r.Findings) != 3 {
			t.Errorf("%s: absent %q, %+v", torch, r.Torch.Absent, r.Findings)
		}
	}
}

// TestTorchOfAnotherSystem wants no search for symbols of one system in a torch of another system.
func TestTorchOfAnotherSystem(t *testing.T) {
	for name, c := range map[string]struct {
		torch string
		data  []byte
	}{
		windowsName: {torches(t)[0], extension("torch_cpu.dll").Bytes()},
		fixtureName: {windowsTorches(t)[1], sharedObject(nil, []string{"_ZN2at5emptyEv"})},
	} {
		options := defaults(t)
		options.Torch = c.torch
		_, err := Run(write(t, name, pack(t, name, file{"fixture/lib.so", c.data})), options)
		if diag.ClassOf(err) != diag.Usage || !strings.Contains(err.Error(), "another system") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
