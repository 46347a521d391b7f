package matrix

import (
	"errors"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// edited is the built-in definition with one exact replacement.
func edited(t *testing.T, old, replacement string) string {
	t.Helper()
	text := string(defaultDefinition)
	if strings.Count(text, old) == 0 {
		t.Fatalf("default.hcl does not hold %q", old)
	}
	return strings.Replace(text, old, replacement, 1)
}

// placeOf finds line and column of the first occurrence of marker.
func placeOf(t *testing.T, text, marker string) (line, column int) {
	t.Helper()
	before, _, found := strings.Cut(text, marker)
	if !found {
		t.Fatalf("the definition does not hold %q", marker)
	}
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n")
}

func TestMistakesPointAtTheirPlace(t *testing.T) {
	const torch28 = "torch    = \"2.8.0\"\n  cuda     = "
	for _, test := range []struct {
		name, old, edit string
		marker          string // where the error must point
		message, hint   string
	}{
		{"illegal CUDA", torch28 + `"12.9.1"`, torch28 + `"12.4.1"`, `"12.4.1"`,
			"torch 2.8.0 does not go with CUDA 12.4.1: rule torch-cuda, torch 2.8 is built for CUDA 12.6, 12.8 and 12.9 (source: PyTorch RELEASE.md", "use CUDA 12.6"},
		{"illegal Python", `["3.9", "3.10", "3.11", "3.12"]`, `["3.9", "3.14", "3.12"]`, `"3.14"`,
			"torch 2.6.0 does not go with Python 3.14: rule torch-python", "use Python 3.9"},
		{"unknown torch", `"2.8.0"`, `"2.5.1"`, `"2.5.1"`, `there is no torch "2.5" block`, `torch "2.5" {`},
		{"unknown CUDA", torch28 + `"12.9.1"`, torch28 + `"13.2"`, `"13.2"`, "does not go with CUDA 13.2", ""},
		{"CUDA without a block", `cuda "12.9" {`, `cuda "12.7" {`, `"12.9.1"`, `there is no cuda "12.9" block`, `cuda "12.9" {`},
		{"unknown package", `package  = "sage2"`, `package  = "sage22"`, `"sage22"`, `no package block named "sage22"`, `did you mean "sage2"?`},
		{"SM of a package", `only   = ["10.0", "12.0", "12.1"]`, `only   = ["10.0", "12.7"]`, `"12.7"]`, "kernels are compiled for no SM 12.7", ""},
		{"SM of a package runs another's code", `only   = ["10.0", "12.0", "12.1"]`, `only   = ["10.3"]`, `"10.3"]`, "kernels are compiled for no SM 10.3", ""},
		{"two sms blocks", `  oldest "torch" {`, "  sms {\n    only = [\"12.0\"]\n    source = \"a document\"\n  }\n\n  oldest \"torch\" {", "sms {\n    only = [", "two sms blocks", "remove one"},
		{"floor of nothing", `oldest "torch" {`, `oldest "driver" {`, `"driver"`, "want torch, cuda or python", ""},
		{"two floors", `oldest "cuda" {`, `oldest "torch" {`, "\"torch\" {\n    version = \"12.8\"", `duplicate oldest "torch"`, "the first is at"},
		{"floor without source", "    version = \"2.8\"\n    source  = \"SageAttention3 README, installation: torch 2.8.0\"\n", "    version = \"2.8\"\n", "{\n    version = \"2.8\"\n  }", `missing attribute "source"`, "add the line"},
		{"torch too old for a package", "package  = \"sage2\"\n  platform = \"linux\"\n  torch    = \"2.7.0\"", "package = \"sage3\"\n  platform = \"linux\"\n  torch = \"2.7.0\"", `"2.7.0"`,
			"sageattn3 does not go with torch 2.7.0: rule package-torch, sageattn3 needs torch 2.8 or newer (source: ", "use torch 2.8 or newer here"},
		{"CUDA too old for a package", "package  = \"sage3\"\n  platform = [\"linux\", \"linux-arm64\", \"windows\"]\n  torch    = \"2.8.0\"\n  cuda     = \"12.8.1\"", "package = \"sage3\"\n  platform = \"linux\"\n  torch = \"2.8.0\"\n  cuda  = \"12.6.2\"", `"12.6.2"`,
			"sageattn3 does not go with CUDA 12.6.2: rule package-cuda", "use CUDA 12.8 or newer"},
		{"universal too old for a package", "package  = \"sage2\"\n  platform = \"windows\"\n  torch    = \"2.4\"", "package = \"sage3\"\n  platform = \"linux\"\n  torch = \"2.5\"", `"2.5"`, "sageattn3 does not go with torch 2.5", ""},
		{"unknown platform", `platform = "linux"`, `platform = "plan9"`, `"plan9"`, `no platform block named "plan9"`, "add the block"},
		{"unknown attribute", `version      = "2.2.0"`, "version = \"2.2.0\"\n  colour = \"red\"", "colour", "colour", ""},
		{"unknown block", `platform "linux" {`, "torches \"x\" {}\nplatform \"linux\" {", "torches", "torches", ""},
		{"missing attribute", "  distribution = \"sageattention\"\n", "", "{\n  module       = \"sageattention\"", `missing attribute "distribution"`, "add the line: distribution ="},
		{"number for a version", `cuda   = "12.4"`, `cuda   = 12.4`, "12.4\n  gpus", "want a string, not a number", `"3.10"`},
		{"null", `"2.2.0"`, `null`, "null", "want a string", ""},
		{"list for a string", `"2.2.0"`, `["2.2.0"]`, `["2.2.0"]`, "want a string, not a", ""},
		{"string for a list", `python   = ["3.9", "3.10", "3.11", "3.12"]`, `python   = "3.9"`, "\"3.9\"\n}", "list", ""},
		{"variable", `"2.2.0"`, `version`, "version\n}", "variables not allowed", ""},
		{"bad version", `"2.2.0"`, `"2.2.x"`, `"2.2.x"`, `"2.2.x" is not a version`, ""},
		{"short torch", `"2.8.0"`, `"2.8"`, "\"2.8\"\n  cuda", `version "2.8" has 2 numbers, want 3`, ""},
		{"long Python", `"3.9", "3.10", "3.11", "3.12"]`, `"3.9.1"]`, `"3.9.1"`, "has 3 numbers, want 2", ""},
		{"bad SM", `sm "12.1"`, `sm "121"`, `"121"`, `"121" is not an SM`, ""},
		{"bad target", `targets = ["7.5"`, `targets = ["sm_75"`, `"sm_75"`, "is not an SM", ""},
		{"empty source", `source = "PyTorch RELEASE.md, release compatibility matrix"`, `source = " "`, `" "`, "must not be empty", ""},
		{"empty list", `["3.9", "3.10", "3.11", "3.12"]`, `[]`, `[]`, "must not be empty", ""},
		{"listed twice", `["3.9", "3.10", "3.11", "3.12"]`, `["3.10", "3.10"]`, `"3.10"]`, `"3.10" is listed twice`, ""},
		{"duplicate torch", `torch "2.7" {`, `torch "2.6" {`, `"2.6" {` + "\n  cuda   = [\"11.8\", \"12.6\", \"12.8\"]", `duplicate torch "2.6"`, "the first is at"},
		{"duplicate CUDA", `cuda "12.6" {`, `cuda "12.4" {`, "\"12.4\" {\n  targets = [\"5.0\", \"5.2\", \"5.3\", \"6.0\", \"6.1\", \"6.2\", \"7.0\", \"7.2\", \"7.5\", \"8.0\", \"8.6\", \"8.7\", \"8.9\", \"9.0\"]\n  source  = \"NVRTC 12.6", `duplicate cuda "12.4"`, ""},
		{"duplicate SM", `sm "7.5" {`, `sm "7.0" {`, "\"7.0\" {\n  cuda   = \"12.0\"\n  gpus   = [\"RTX 20\"", `duplicate sm "7.0"`, ""},
		{"duplicate package", `platform "linux" {`, "package \"sage2\" {\n  distribution = \"other\"\n  module = \"other\"\n  fatbin = \"other.fatbin\"\n  version = \"1.0\"\n}\nplatform \"linux\" {", "\"sage2\" {\n  distribution = \"other\"", `duplicate package "sage2"`, ""},
		{"duplicate target", "torch    = \"2.7.0\"\n  cuda     = \"12.8.1\"", "torch    = \"2.6.1\"\n  cuda     = \"12.6.3\"", "\"3.10\", \"3.11\", \"3.12\"]\n}\n\ncells {\n  package  = \"sage2\"\n  platform = \"linux\"\n  torch    = \"2.8.0\"", `duplicate target "linux-sage2-pytorch26-cu126-python310"`, ""},
		{"bad name", `package "sage2"`, `package "Sage-2"`, `"Sage-2"`, "lower-case letters", ""},
		{"reserved name", `package "sage2"`, `package "test"`, `"test"`, "reserved", ""},
		{"bad platform name", `platform "windows"`, `platform "win--dows"`, `"win--dows"`, "lower-case letters", ""},
		{"unknown emulator", `"wine"`, `"box64"`, `"box64"`, "the Dockerfile has qemu and wine", "leave it out"},
		{"bad library", `"sageattn.dll"`, `"../sageattn.dll"`, `"../sageattn.dll"`, "ends in .so or .dll", ""},
		{"untested universal", "python   = \"3.9\"\n\n  test {\n    torch  = \"2.8.0\"\n    python = \"3.12\"\n  }\n", "python = \"3.9\"\n", "universal {\n  package  = \"sage2\"\n  platform = \"linux-arm64\"", "tested on nothing", "add the block: test"},
		{"test on an older torch", `torch    = "2.4"`, `torch = "2.7"`, `"2.4.1"` + "\n    python", "torch 2.4.1 is older than the 2.7", ""},
		{"test on an older Python", "cuda     = \"12.9.1\"\n  python   = \"3.9\"", "cuda = \"12.9.1\"\n  python = \"3.10\"", `"3.9"` + "\n  }", "Python 3.9 is older than the 3.10", ""},
		{"test of an unknown torch", `torch  = "2.15.0"`, `torch  = "2.99.0"`, `"2.99.0"`, `there is no torch "2.99" block`, `torch "2.99" {`},
		{"test of an illegal Python", "torch  = \"2.15.0\"\n    python = \"3.12\"", "torch  = \"2.15.0\"\n    python = \"3.10\"", `"3.10"` + "\n  }", "torch 2.15.0 does not go with Python 3.10", "use Python 3.11"},
		{"two universal wheels", "universal {\n  package  = \"sage2\"\n  platform = \"linux-arm64\"", "universal {\n  package  = \"sage2\"\n  platform = \"linux\"", "universal {\n  package  = \"sage2\"\n  platform = \"linux\"\n  torch    = \"2.4\"\n  cuda     = \"12.9.1\"\n  python   = \"3.9\"\n\n  test {\n    torch  = \"2.8.0\"", `duplicate target "linux-sage2-universal"`, ""},
		{"cells of an unknown platform", `platform = "linux"`, `platform = ["linux", "plan9"]`, `"plan9"`, `no platform block named "plan9"`, "add the block"},
		{"CUDA listed twice", `cuda     = "12.6.1"`, `cuda = ["12.6.1", "12.6.1"]`, `"12.6.1"]`, "listed twice", ""},
		{"test on a Python without a wheel", `["3.9", "3.10", "3.11", "3.12"]`, "[\"3.9\"]\n  test = [\"3.10\"]", `"3.10"]`, "a test on Python 3.10, for which this block makes no wheel", ""},
		{"group of an unknown target", `"linux-sage2-pytorch26-cu126-python39",`, `"linux-sage2-pytorch26-cu126-python38",`, `"linux-sage2-pytorch26-cu126-python38"`, "group sage2-all names no target", "did you mean linux-sage2-pytorch26-cu126-python39?"},
		{"duplicate group", `group "python39" {`, `group "sage2-all" {`, "\"sage2-all\" {\n  targets = [\"linux", `duplicate group "sage2-all"`, "the first is at"},
		{"bad group name", `group "stable"`, `group "Stable"`, `"Stable"`, "lower-case letters", ""},
		{"SM without CUDA and image", `cuda   = "12.9"` + "\n  gpus", `gpus`, "\"12.1\" {", "wants either cuda", ""},
		{"image of no SM", `cuda   = "12.9"` + "\n  gpus", "image = \"12.2\"\n  gpus", `"12.2"`, "kernels are compiled for no SM 12.2", ""},
		{"bad distribution", `"sageattention"`, `"Sage.Attention"`, `"Sage.Attention"`, "normalised name", ""},
		{"bad module", "module       = \"sageattention\"", "module       = \"sage.attention\"", `"sage.attention"`, "normalised name", ""},
		{"bad fatbin", `"sageattn.fatbin"`, `"lib/sageattn.fatbin"`, `"lib/sageattn.fatbin"`, "ends in .fatbin", ""},
		{"unknown default", `python312"`, `python314"`, `"linux-sage2-pytorch28-cu129-python314"`, "default names no target", "did you mean linux-sage2-pytorch28-cu129-python31"},
		{"syntax", `platform "linux" {`, `platform "linux" [`, "[\n  tag", "invalid", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := edited(t, test.old, test.edit)
			_, err := Parse("my.hcl", []byte(text))
			first := firstError(t, err)
			line, column := placeOf(t, text, test.marker)
			if got := *first.Range; got.File != "my.hcl" || got.Line != line || got.Column != column {
				t.Errorf("the error is at %v, want my.hcl:%d:%d (%v)", got, line, column, err)
			}
			if !strings.Contains(strings.ToLower(first.Message), strings.ToLower(test.message)) {
				t.Errorf("message %q does not say %q", first.Message, test.message)
			}
			if !strings.Contains(first.Hint, test.hint) {
				t.Errorf("hint %q does not say %q", first.Hint, test.hint)
			}
		})
	}
}

func firstError(t *testing.T, err error) *diag.Error {
	t.Helper()
	var first *diag.Error
	if !errors.As(err, &first) {
		t.Fatalf("got %v (%T), want a *diag.Error", err, err)
	}
	if !errors.Is(err, diag.Usage) {
		t.Errorf("%v is not of class Usage", err)
	}
	if first.Range == nil {
		t.Fatalf("%v has no place", err)
	}
	return first
}

func TestEveryMistakeIsReported(t *testing.T) {
	text := strings.NewReplacer(`= ["3.9", "3.10", "3.11", "3.12"]`, `= ["3.8", "3.15"]`, "torch    = \"2.7.0\"\n  cuda     = \"12.8.1\"", "torch = \"2.7.0\"\n  cuda = \"12.9.1\"").Replace(string(defaultDefinition))
	_, err := Parse("my.hcl", []byte(text))
	if got := len(diag.All(err)); got != 5 {
		t.Errorf("%d errors, want 5 (two Pythons, and a CUDA on three platforms):\n%v", got, err)
	}
}

func TestEmptyDefinition(t *testing.T) {
	_, err := Parse("my.hcl", nil)
	if first := firstError(t, err); !strings.Contains(first.Message, "no cells") {
		t.Errorf("got %v", err)
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := Load(t.TempDir() + "/none.hcl")
	var e *diag.Error
	if !errors.As(err, &e) || e.Hint == "" || !errors.Is(err, diag.Usage) {
		t.Errorf("got %v, want a Usage error with a hint", err)
	}
}

func TestCUDATooOldForEverySM(t *testing.T) {
	text := edited(t, `cuda     = "12.6.1"`, `cuda     = "11.8"`) + `
cuda "11.8" {
  targets = ["7.0"]
  source  = "CUDA Toolkit 11.8 release notes"
}
`
	_, err := Parse("my.hcl", []byte(text))
	if first := firstError(t, err); !strings.Contains(first.Message, "can build no SM") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(defaultDefinition)
	f.Add([]byte(`cells {}`))
	f.Add([]byte(`default = "x"` + "\n" + `sm "9.0" { cuda = "12.3" gpus = [] source = null }`))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := Parse("fuzz.hcl", src)
		if err != nil {
			for _, e := range diag.All(err) {
				if e.Class != diag.Usage || e.Range == nil || e.Range.Line < 1 || e.Range.Column < 1 {
					t.Errorf("%#v is not a Usage error with a place", e)
				}
			}
			return
		}
		seen := map[string]bool{}
		for _, cell := range m.Cells() {
			if seen[cell.Target()] || len(cell.SMs) == 0 {
				t.Errorf("%s comes twice or has no SM", cell.Target())
			}
			seen[cell.Target()] = true
		}
		for _, group := range m.Groups() {
			if _, err := m.Select([]string{group.Name}); err != nil {
				t.Error(err)
			}
		}
	})
}
