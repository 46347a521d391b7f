package audit

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func TestNamespaceOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"_ZN3c1010Dispatcher13realSingletonEv":   "c10",
		"_ZNK2at6Tensor3dimEv":                   "at",
		"_ZTVN5torch8autograd4NodeE":             "torch",
		"_ZTIN3c105ErrorE":                       "c10",
		"_ZGVN3c1015kSomethingE":                 "c10",
		"_ZThn16_N5torch3jit6ModuleD0Ev":         "torch",
		"_ZTv0_n24_N2at4BaseD1Ev":                "at",
		"_ZNSt6vectorIN3c104IValueESaIS1_EED1Ev": "std",
		"_ZNKSs4sizeEv":                          "std",
		"_ZNSs4_Rep10_M_destroyERKSaIcE":         "std",
		"_ZSt4cout":                              "std",
		"_Z3fooN2at6TensorE":                     "",
		"_Z":                                     "",
		"_ZN":                                    "",
		"_ZN99xE":                                "",
		"_ZN99999999999999999999xE":              "",
		"printf":                                 "",
		"":                                       "",
	} {
		if got := namespaceOf(symbol); got != want {
			t.Errorf("%q: %q, want %q", symbol, got, want)
		}
	}
}

func FuzzNamespaceOf(f *testing.F) {
	for _, seed := range []string{"_ZThn16_N5torch3jit6ModuleD0Ev", "_ZNK2at6Tensor3dimEv", "_ZTv0_n24_", "_ZNKSs4sizeEv"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, symbol string) {
		if name := namespaceOf(symbol); name != "std" && !strings.Contains(symbol, name) {
			t.Errorf("%q has no %q", symbol, name)
		}
	})
}

func TestGroupOf(t *testing.T) {
	own := owned{symbols: map[string]bool{"_ZN3lib4callEv": true, "crc32": true}}
	for _, c := range []struct {
		name, library string
		want          Group
	}{
		{"_ZN2at5emptyEv", "", GroupTorch},
		{"THPVariableClass", "", GroupTorch},
		{"aoti_torch_empty_strided", "", GroupTorch},
		{"_ZN8pybind116detail11type_casterIN2at6TensorEvE4loadENS_6handleEb", "", GroupTorch}, // torch_python exports it
		{"_ZN3c106SymInt4initEv", "", GroupC10},
		{"cudaMalloc", "", GroupRuntime},
		{"__cudaRegisterFatBinary", "", GroupRuntime},
		{"cudaFree", "libcudart.faf08d9a.so.13", GroupRuntime},
		{"cuLaunchKernel", "", GroupDriver},
		{"cublasCreate_v2", "", GroupCUDA},
		{"cudnnCreate", "", GroupCUDA},
		{"PyArg_ParseTuple", "", GroupPython},
		{"_Py_NoneStruct", "", GroupPython},
		{"memcpy", "libc.so.6", GroupLibc},
		{"__gmon_start__", "", GroupLibc},
		{"_ZNSolsEi", "libstdc++.so.6", GroupCXX},
		{"_ZNSt3fooEv", "", GroupCXX},
		{"_Znwm", "", GroupCXX},
		{"_ZN3lib4callEv", "", GroupWheel},
		{"crc32", "", GroupWheel},
		{"avcodec_open2", "", GroupOther},
		{"EVP_md5", "libcrypto.so.3", GroupVersions},
	} {
		symbol := object.Undefined{Name: c.name, Library: c.library}
		if c.library != "" {
			symbol.Version = "V_1"
		}
		if got := groupOf(object.FormatELF, symbol, own); got != c.want {
			t.Errorf("%s of %q: %s, want %s", c.name, c.library, got, c.want)
		}
	}
}

// TestManylinux names the oldest tag, and where the two differ the lowest glibc that a tag of PEP 600 may name.
func TestManylinux(t *testing.T) {
	for _, c := range []struct {
		machine string
		floor   Floor
		want    string
		promise string
	}{
		{"x86_64", Floor{}, "manylinux_2_5", "2.5"},
		{"x86_64", Floor{Glibc: "2.2.5"}, "manylinux_2_5", "2.5"},
		{"x86_64", Floor{Glibc: "2.14"}, "manylinux_2_17", "2.14"},
		{"x86_64", Floor{Glibc: "2.18"}, "manylinux_2_24", "2.18"},
		{"x86_64", Floor{Glibc: "2.17", Libstdcxx: "3.4.19"}, "manylinux_2_17", "2.17"},
		{"x86_64", Floor{Glibc: "2.17", Libstdcxx: "3.4.21"}, "manylinux_2_24", "2.24"},
		{"x86_64", Floor{Glibc: "2.4", Libstdcxx: "3.4.24"}, "manylinux_2_27", "2.27"},
		{"x86_64", Floor{Glibc: "2.4", CXXABI: "1.3.11"}, "manylinux_2_27", "2.27"},
		{"x86_64", Floor{Libgcc: "12.0.0"}, "manylinux_2_35", "2.35"},
		{"x86_64", Floor{Glibc: "2.29", Libstdcxx: "3.4.19"}, "manylinux_2_31", "2.29"},
		{"x86_64", Floor{Glibc: "2.99"}, "", "2.99"},
		{"x86_64", Floor{Libstdcxx: "3.4.99"}, "", ""},
		{"aarch64", Floor{}, "manylinux_2_17", "2.17"},
		{"aarch64", Floor{Glibc: "2.18"}, "manylinux_2_17", "2.17"},
		{"aarch64", Floor{Glibc: "2.19"}, "manylinux_2_24", "2.19"},
		{"aarch64", Floor{Libstdcxx: "3.4.24"}, "manylinux_2_26", "2.26"},
		{"aarch64", Floor{Libgcc: "4.8.0"}, "manylinux_2_26", "2.26"},
		{"aarch64", Floor{Libgcc: "11.0"}, "manylinux_2_34", "2.34"},
		{"riscv64", Floor{Glibc: "2.31"}, "manylinux_2_31", "2.31"},
	} {
		c.floor.setManylinux(c.machine)
		if c.floor.Manylinux != c.want || c.floor.promise != c.promise {
			t.Errorf("%s: %+v, want %q and %q", c.machine, c.floor, c.want, c.promise)
		}
	}
}

// TestHostFindings names the same library in several ways. The library needs glibc 2.2.5; new_glibc.so needs 2.34.
func TestHostFindings(t *testing.T) {
	for name, c := range map[string]struct {
		library          string
		errors, warnings []finding.Code
	}{
		"fixture-1.0-py3-none-manylinux_2_17_x86_64.whl":                      {library: "good.so"},
		"fixture-1.0-py3-none-linux_x86_64.whl":                               {library: "new_glibc.so"},
		"fixture-1.0-py3-none-manylinux_2_34_x86_64.whl":                      {library: "new_glibc.so"},
		"fixture-1.0-py3-none-manylinux2014_x86_64.manylinux_2_40_x86_64.whl": {"new_glibc.so", []finding.Code{CodePlatformFloor}, nil},
		"fixture-1.0-py3-none-manylinux_2_28_x86_64.whl":                      {"new_glibc.so", []finding.Code{CodePlatformFloor}, nil},
		"fixture-1.0-py3-none-manylinux_2_17_aarch64.whl":                     {"good.so", []finding.Code{CodePlatformTag}, nil},
		"fixture-1.1-py3-none-manylinux_2_17_aarch64.whl":                     {library: "aarch64.so"},
		"fixture-1.0-py3-none-linux_aarch64.whl":                              {library: "aarch64.so"},
		"fixture-1.0-py3-none-manylinux_2_12_aarch64.whl":                     {"aarch64.so", []finding.Code{CodePlatformFloor, CodePlatformTag}, nil},
		"fixture-1.2-py3-none-manylinux_2_17_x86_64.whl":                      {"aarch64.so", []finding.Code{CodePlatformTag}, nil},
		"fixture-1.0-py3-none-win_amd64.whl":                                  {"good.so", []finding.Code{CodePlatformTag}, nil},
		"fixture-1.0-py3-none-any.whl":                                        {"good.so", []finding.Code{CodePlatformTag}, nil},
		"fixture-2.0-py3-none-linux_x86_64.whl":                               {"symbols.so", nil, []finding.Code{finding.CodeRPath, finding.CodeUnstripped}},
	} {
		r := audited(t, defaults(t), name, file{"fixture/lib.so", wheeltest.Fixture(t, c.library)})
		if got := r.codes(finding.Error); !slices.Equal(got, c.errors) {
			t.Errorf("%s: errors %q, want %q: %+v", name, got, c.errors, r.Findings)
		}
		if got := r.codes(finding.Warning); c.warnings != nil && !slices.Equal(got, c.warnings) {
			t.Errorf("%s: warnings %q, want %q: %+v", name, got, c.warnings, r.Findings)
		}
	}
}

// TestUnread wants libraries of other systems to be named, and errors before warnings.
func TestUnread(t *testing.T) {
	r := audited(t, defaults(t), "fixture-1.0-py3-none-any.whl", file{"fixture/x.dylib", wheeltest.Fixture(t, "macos.dylib")}, file{"fixture/lib.so", wheeltest.Fixture(t, "good.so")})
	last := len(r.Findings) - 1
	if last < 1 || r.Findings[0].Code != CodePlatformTag || r.Findings[last].Code != CodeUnread || r.Findings[last].Member != "fixture/x.dylib" {
		t.Errorf("%+v", r.Findings)
	}
}

// TestPlan audits wheels whose names the matrix plans, with device code for other SMs.
func TestPlan(t *testing.T) {
	for _, name := range []string{
		"sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl", "sageattention-2.2.0-280.129-cp312-cp312-linux_aarch64.whl",
		"sageattention-2.2.0-280.129-cp312-cp312-win_amd64.whl", "sageattention-2.2.0-py3-none-win_amd64.whl",
	} {
		r := audited(t, defaults(t), name, file{"sageattention/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")})
		missing := 0
		for _, f := range r.Findings {
			if f.Code == finding.CodeSMMissing {
				missing++
			}
		}
		if missing != 9 || !r.Failed() {
			t.Errorf("%s: %d SMs missing, want 7.5, 8.6, 8.7, 8.9, 9.0, 10.0, 12.0, 12.0a and 12.1a: %+v", name, missing, r.Findings)
		}
	}
}

func TestRefusedBytes(t *testing.T) {
	r, err := Run(write(t, fixtureName, []byte("no zip")), defaults(t))
	if err != nil || !r.Failed() || r.Readable() || !slices.Equal(r.codes(finding.Error), []finding.Code{finding.CodeZipFormat}) {
		t.Errorf("%+v, error %v", r, err)
	}
	if err := r.WriteText(&bytes.Buffer{}, false); err != nil {
		t.Error(err)
	}
	if _, err := Run(t.TempDir()+"/absent.whl", defaults(t)); err == nil {
		t.Error("a missing file is no error")
	}
}

// TestTextIsPrintable wants no name of a wheel to steer a terminal.
func TestTextIsPrintable(t *testing.T) {
	object := sharedObject(nil, []string{"_ZN2at\x1b[31mEv", "a\u202eb"})
	r := audited(t, defaults(t), fixtureName, file{"fixture/lib.so", object})
	var text bytes.Buffer
	if err := r.WriteText(&text, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\u202e") || !strings.Contains(text.String(), "\uFFFD") {
		t.Errorf("%q", text.String())
	}
}
