package audit

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// What loaders and installers do decides, not suffixes and tables that no loader reads.
func TestJudgedByLoaders(t *testing.T) {
	fixture := func(name string) []byte { return wheeltest.Fixture(t, name) }
	good, other := fixture("good.so"), fixture("i686.so")
	for name, test := range map[string]struct {
		wheel    string
		files    []file
		errors   []finding.Code
		warnings []finding.Code
		said     string
	}{
		"debug information beside its library": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.so", good}, {"a/b.so.debug", fixture("debug.so")}},
			nil, []finding.Code{finding.CodeUnstripped}, "no loader reads it"},
		"extensions of macOS": {"a-1-cp312-cp312-macosx_14_0_x86_64.whl", []file{{"a/b.cpython-312-darwin.so", fixture("macos.dylib")}, {"a/c.dylib", fixture("macos.dylib")}},
			nil, []finding.Code{CodeUnread}, "a/b.cpython-312-darwin.so, a/c.dylib"},
		"an extension of macOS for Linux": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.so", fixture("macos.dylib")}},
			[]finding.Code{CodePlatformTag}, []finding.Code{CodeUnread}, "it is for macos, the platform tag is linux_x86_64"},
		"WebAssembly": {"a-1-cp312-cp312-pyodide_2024_0_wasm32.whl", []file{{"a/b.cpython-312-wasm32-emscripten.so", fixture("module.wasm")}},
			nil, []finding.Code{CodeUnread}, "WebAssembly"},
		"a 32-bit wheel":            {"a-1-cp312-cp312-manylinux_2_17_i686.whl", []file{{"a/b.so", other}}, nil, []finding.Code{CodeUnread}, "32-bit ELF"},
		"a 32-bit wheel of Windows": {"a-1-cp312-cp312-win32.whl", []file{{"a/b.dll", fixture("i686.dll")}}, nil, []finding.Code{CodeUnread}, "32-bit PE"},
		"DLLs for several machines": {"a-1-py3-none-win_amd64.whl", []file{{"a/x64.dll", fixture("good.dll")}, {"a/x86.dll", fixture("i686.dll")}},
			nil, []finding.Code{CodeUnread, CodePlatformTag}, "only a program that picks its libraries itself"},
		"a 32-bit extension": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.so", good}, {"a/c.cpython-312-i386-linux-gnu.so", other}},
			[]finding.Code{CodePlatformTag}, []finding.Code{CodeUnread}, "it is for linux on i686"},
		"an extension of another Python": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.cpython-311-x86_64-linux-gnu.so", good}},
			[]finding.Code{CodePython}, nil, "CPython 3.11 alone imports a module of this name, the tag is cp312-cp312-linux_x86_64"},
		"one of another Python beside the right one": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.cpython-311-x86_64-linux-gnu.so", good}, {"a/b.cpython-312-x86_64-linux-gnu.so", good}},
			nil, nil, ""},
		"an extension of the free-threaded Python": {"a-1-cp313-cp313-linux_x86_64.whl", []file{{"a/b.cpython-313t-x86_64-linux-gnu.so", good}},
			[]finding.Code{CodePython}, nil, "CPython 3.13t alone"},
		"text that ends in .so": {"a-1-cp312-cp312-linux_x86_64.whl", []file{{"a/b.so", []byte("version https://git-lfs")}}, []finding.Code{finding.CodeObjectFormat}, nil, "it is no ELF file"},
		"a version of no PEP 440": {"tinycudann-1.7+arch75+torch222+cuda121-cp310-cp310-linux_x86_64.whl", []file{{"a/b.so", good}},
			[]finding.Code{finding.CodeVersion}, nil, "is no version by PEP 440: installers refuse it"},
	} {
		t.Run(name, func(t *testing.T) {
			r := audited(t, defaults(t), test.wheel, test.files...)
			if got := r.codes(finding.Error); !slices.Equal(got, test.errors) {
				t.Errorf("errors %q, want %q: %+v", got, test.errors, r.Findings)
			}
			if got := r.codes(finding.Warning); !slices.Equal(got, test.warnings) {
				t.Errorf("warnings %q, want %q: %+v", got, test.warnings, r.Findings)
			}
			if text := fmt.Sprintf("%+v", r.Findings); !strings.Contains(text, test.said) {
				t.Errorf("no %q in %s", test.said, text)
			}
		})
	}
}

// An empty element of a run path is the working directory; a run path that is empty as a whole is ignored.
func TestRunPaths(t *testing.T) {
	for path, want := range map[string]struct {
		severity finding.Severity
		said     string
	}{
		"$ORIGIN:${ORIGIN}/../lib": {}, "$ORIGIN:": {finding.Error, "empty element"}, "lib": {finding.Error, `"lib" is relative`},
		"/opt/build/lib": {finding.Warning, "of the machine it was built on"},
	} {
		r := &Report{}
		r.checkRunPath(Object{Linkage: object.Linkage{Member: "a.so", RPath: strings.Split(path, ":")}})
		if want.said == "" && len(r.Findings) > 0 || want.said != "" && (len(r.Findings) != 1 || r.Findings[0].Severity != want.severity || !strings.Contains(r.Findings[0].Message, want.said)) {
			t.Errorf("%q: %+v", path, r.Findings)
		}
	}
}

// PTX that only the section for the device linker has serves no later GPU, and that is said.
func TestPTXForTheDeviceLinker(t *testing.T) {
	r := &Report{Code: []Code{
		{Member: "a.so", Section: ".nv_fatbin", Kind: device.KindCubin, Arch: kernels.Arch{SM: matrix.SM{Major: 8}}, Loadable: true},
		{Member: "a.so", Section: "__nv_relfatbin", Kind: device.KindPTX, Arch: kernels.Arch{SM: matrix.SM{Major: 9}}},
	}}
	r.checkDevice()
	if len(r.Findings) != 1 || !strings.HasSuffix(r.Findings[0].Message, "for SM 8.0; PTX 9.0 is in the section for the device linker alone, which no driver reads") {
		t.Errorf("%+v", r.Findings)
	}
}

func TestRecordHashes(t *testing.T) {
	data := []byte("x = 1\n")
	sum := sha512.Sum512(data)
	strong := "sha512=" + base64.RawURLEncoding.EncodeToString(sum[:])
	for hash, want := range map[string][]finding.Code{
		strong:                               nil,
		strong[:20] + "A" + strong[21:]:      {finding.CodeRecordHash},
		"md5=1B2M2Y8AsgTpgAmY7PhCfg":         {finding.CodeRecordHash},
		"":                                   {finding.CodeRecordHash},
		"blake2b=" + strong[len("sha512="):]: nil,
		"sha384=" + strong[len("sha512="):]:  {finding.CodeRecordHash},
	} {
		r := auditedRecord(t, data, hash)
		if got := r.codes(finding.Error); !slices.Equal(got, want) {
			t.Errorf("%q: %+v", hash, r.Findings)
		}
		if warned := len(r.codes(finding.Warning)) > 0; warned != strings.HasPrefix(hash, "blake2b") {
			t.Errorf("%q: %+v", hash, r.Findings)
		}
	}
}

// auditedRecord audits a wheel of one module, whose hash in RECORD is given.
func auditedRecord(t *testing.T, data []byte, hash string) *Report {
	t.Helper()
	const name, info = "a-1-py3-none-any.whl", "a-1.dist-info"
	members := []wheeltest.File{
		{Name: "a.py", Data: data},
		{Name: info + "/WHEEL", Data: []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")},
		{Name: info + "/METADATA", Data: []byte("Metadata-Version: 2.1\nName: a\nVersion: 1\n")},
	}
	lines := strings.Split(wheeltest.Record(info, members), "\n")
	for at, line := range lines {
		if strings.HasPrefix(line, "a.py,") {
			lines[at] = fmt.Sprintf("a.py,%s,%d", hash, len(data))
		}
	}
	members = append(members, wheeltest.File{Name: info + "/RECORD", Data: []byte(strings.Join(lines, "\n"))})
	r, err := Run(write(t, name, wheeltest.Pack(t, "", members...)), defaults(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A byte order mark hides the first field from every installer: one finding, not one for each field that is missing then.
func TestByteOrderMark(t *testing.T) {
	const name, info = "a-1-py3-none-any.whl", "a-1.dist-info"
	members := []wheeltest.File{
		{Name: info + "/WHEEL", Data: []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")},
		{Name: info + "/METADATA", Data: []byte("\ufeffMetadata-Version: 2.1\nName: a\nVersion: 1\n")},
	}
	members = append(members, wheeltest.File{Name: info + "/RECORD", Data: []byte(wheeltest.Record(info, members))})
	r, err := Run(write(t, name, wheeltest.Pack(t, "", members...)), defaults(t))
	if err != nil || len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Message, "byte order mark") {
		t.Errorf("%+v, error %v", r.Findings, err)
	}
}

// Many findings of one code are a summary line, cubin files of one directory one finding.
func TestManyFindings(t *testing.T) {
	var files []file
	for n := range 20 {
		files = append(files, file{fmt.Sprintf("k/%d.cubin", n), wheeltest.Fixture(t, "sm_90a.cubin")})
		files = append(files, file{fmt.Sprintf("lib/%d.so", n), wheeltest.Fixture(t, "symbols.so")})
	}
	options := defaults(t)
	r := audited(t, options, "fixture-1.0-cp312-cp312-linux_x86_64.whl", files...)
	if got := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Code == finding.CodePTXMissing && f.Member == "k/" }); got < 0 {
		t.Errorf("%+v", r.Findings)
	}
	text := func(r *Report) string {
		var out bytes.Buffer
		if err := r.WriteText(&out, false); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if said := text(r); strings.Count(said, string(finding.CodeUnstripped)) != shownFindings+1 || !strings.Contains(said, "15 more findings of this code; --all lists them") {
		t.Errorf("%s", said)
	}
	options.All = true
	if said := text(audited(t, options, "fixture-1.0-cp312-cp312-linux_x86_64.whl", files...)); strings.Count(said, string(finding.CodeUnstripped)) != 20 {
		t.Errorf("%s", said)
	}
}

func TestDemangled(t *testing.T) {
	for symbol, want := range map[string]string{
		"_ZNK3c105Error4whatEv": "c10::Error::what() const", "_ZN2at5emptyEv@V1": "at::empty()@V1", "cudaMalloc": "cudaMalloc", "_Znotone": "_Znotone",
	} {
		if got := demangled(symbol); got != want {
			t.Errorf("%s is %q, want %q", symbol, got, want)
		}
	}
}
