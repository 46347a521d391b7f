package wheel

import (
	"bytes"
	"debug/pe"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/tests/dll"
)

func TestParsePlatform(t *testing.T) {
	for tag, want := range map[string]Platform{
		"manylinux_2_28_x86_64": {"linux", "x86_64", "2.28"}, "manylinux2014_aarch64": {"linux", "aarch64", "2.17"},
		"manylinux1_x86_64": {"linux", "x86_64", "2.5"}, "linux_x86_64": {"linux", "x86_64", ""}, "linux_aarch64": {"linux", "aarch64", ""},
		"musllinux_1_2_aarch64": {"linux", "aarch64", ""}, "win_amd64": {"windows", "x86_64", ""}, "win_arm64": {"windows", "aarch64", ""},
		"win32": {"windows", "i686", ""}, "macosx_11_0_arm64": {"macos", "aarch64", ""}, "any": {}, "": {},
	} {
		if got := ParsePlatform(tag); got != want {
			t.Errorf("%s: %+v, want %+v", tag, got, want)
		}
	}
}

// universal is a wheel of every Python with one library.
func universal(platform, library string, data []byte) *sample {
	tag := "py3-none-" + platform
	headers := "Wheel-Version: 1.0\nGenerator: sagebuild\nRoot-Is-Purelib: false\nTag: " + tag + "\n"
	metadata := strings.NewReplacer(">=3.12,<3.13", ">=3.9", "torch==2.8.*", "torch>=2.4").Replace(sampleMetadata)
	return &sample{name: "sageattention-2.2.0-" + tag + ".whl", files: []file{
		{name: "sageattention/lib/" + library, data: data},
		{name: sampleInfo + "/METADATA", data: []byte(metadata)},
		{name: sampleInfo + "/WHEEL", data: []byte(headers)},
	}}
}

// TestCheckPlatforms wants each library under its own platform tag and nowhere else.
func TestCheckPlatforms(t *testing.T) {
	for _, c := range []struct {
		platform, library, fixture string
		want                       []finding.Code
	}{
		{"manylinux_2_17_x86_64", "libsageattn.so", "good.so", nil},
		{"manylinux_2_17_aarch64", "libsageattn.so", "aarch64.so", nil},
		{"linux_aarch64", "libsageattn.so", "aarch64.so", nil},
		{"win_amd64", "sageattn.dll", "good.dll", nil},
		{"win_amd64", "sageattn.dll", "symbols.dll", nil},
		{"manylinux_2_17_aarch64", "libsageattn.so", "good.so", []finding.Code{finding.CodeMachine}},
		{"manylinux_2_17_x86_64", "libsageattn.so", "aarch64.so", []finding.Code{finding.CodeMachine}},
		{"win_amd64", "libsageattn.so", "good.so", []finding.Code{finding.CodeMachine}},
		{"win_arm64", "sageattn.dll", "good.dll", []finding.Code{finding.CodeMachine}},
		{"linux_x86_64", "sageattn.dll", "good.dll", []finding.Code{finding.CodeMachine}},
		{"manylinux_2_17_x86_64", "libsageattn.so", "new_glibc.so", []finding.Code{finding.CodeGlibcFloor}},
	} {
		s := universal(c.platform, c.library, wheeltest.Fixture(t, c.fixture))
		found, err := Check(s.write(t), Expectation{
			Filename: s.name, Distribution: "sageattention", Version: "2.2.0", Tags: []string{"py3-none-" + c.platform},
			RequiresDist: []string{"torch>=2.4"}, RequiresPython: ">=3.9", Members: []string{"sageattention/lib/" + c.library},
			GlibcFloor: "2.17", Exports: []string{"fixture"},
		})
		if err != nil || !slices.Equal(codes(found), c.want) {
			t.Errorf("%s, %s: codes %v, want %v, error %v%s", c.platform, c.fixture, codes(found), c.want, err, lines(found))
		}
	}
}

// TestCheckDLL changes one thing of a DLL that is fine.
func TestCheckDLL(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *dll.DLL)
		want   []finding.Code
	}{
		"nothing":                  {func(*dll.DLL) {}, nil},
		"another case":             {func(d *dll.DLL) { d.Imports[0].Library = "kernel32.DLL" }, nil},
		"the whole C runtime":      {func(d *dll.DLL) { d.Imports[1].Library = "UCRTBASE.dll" }, nil},
		"the C runtime of Windows": {func(d *dll.DLL) { d.Imports[1].Library = "msvcrt.dll" }, nil},
		"Microsoft's C++":          {func(d *dll.DLL) { d.Imports[1].Library = "MSVCP140.dll" }, []finding.Code{finding.CodeNeeded}},
		"the driver":               {func(d *dll.DLL) { d.Imports[1].Library = "nvcuda.dll" }, []finding.Code{finding.CodeNeeded}},
		"the driver when called":   {func(d *dll.DLL) { d.Delayed = []dll.Import{{Library: "nvcuda.dll", Symbols: []string{"cuInit"}}} }, []finding.Code{finding.CodeNeeded}},
		"another function":         {func(d *dll.DLL) { d.Exports = []string{"other"} }, []finding.Code{finding.CodeExport}},
		"no function":              {func(d *dll.DLL) { d.Exports = nil }, []finding.Code{finding.CodeExport}},
		"a time":                   {func(d *dll.DLL) { d.Timestamp = 1_700_000_000 }, []finding.Code{finding.CodeTimestamp}},
		"a hash for the time":      {func(d *dll.DLL) { d.Timestamp, d.Repeat = 1_700_000_000, true }, nil},
		"the time of all members":  {func(d *dll.DLL) { d.Timestamp = 315_532_800 }, nil},
		"a PDB by its name":        {func(d *dll.DLL) { d.PDB = "sageattn.pdb" }, nil},
		"a PDB by its path":        {func(d *dll.DLL) { d.PDB = `C:\build\sageattn.pdb` }, []finding.Code{finding.CodeBuildPath}},
		"debug information":        {func(d *dll.DLL) { d.Sections = []dll.Section{{Name: ".debug_i", Data: []byte("x")}} }, []finding.Code{finding.CodeUnstripped}},
		"ARM64":                    {func(d *dll.DLL) { d.Machine = 0xaa64 }, []finding.Code{finding.CodeMachine}},
	} {
		d := dll.DLL{Name: "sageattn.dll", Exports: []string{"fixture"}, Imports: []dll.Import{
			{Library: "KERNEL32.dll", Symbols: []string{"CreateThread"}}, {Library: "api-ms-win-crt-heap-l1-1-0.dll", Symbols: []string{"malloc"}},
		}}
		c.change(&d)
		found, err := Check(universal("win_amd64", "sageattn.dll", d.Bytes()).write(t), Expectation{Exports: []string{"fixture"}})
		if err != nil || !slices.Equal(codes(found), c.want) {
			t.Errorf("%s: codes %v, want %v, error %v%s", name, codes(found), c.want, err, lines(found))
		}
	}
}

// TestCompareLooksIntoDLLs wants the section that differs, and inside of a section of device code the entry.
func TestCompareLooksIntoDLLs(t *testing.T) {
	before := universal("win_amd64", "sageattn.dll", wheeltest.Fixture(t, "device.dll")).pack(t)
	library, err := pe.NewFile(bytes.NewReader(wheeltest.Fixture(t, "device.dll")))
	if err != nil {
		t.Fatal(err)
	}
	offset := func(name string) uint32 { return library.Section(name).Offset }
	for want, at := range map[string]uint32{"PE headers": 0x80, ".rdata": offset(".rdata") + 8, ".nv_fatb / cubin SM 7.0": offset(".nv_fatb") + 400} {
		data := wheeltest.Fixture(t, "device.dll")
		data[at] ^= 1
		found := compare(t, before, universal("win_amd64", "sageattn.dll", data).pack(t))
		if len(found.Members) != 2 || len(found.Members[0].Parts) != 1 || !strings.HasPrefix(found.Members[0].Parts[0].Name, want) {
			t.Errorf("%s: %+v", want, found.Members)
		}
	}
}
