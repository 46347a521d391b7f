package hub

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// sample is a small universal wheel that a test writes.
type sample struct {
	version, tag, text string
	library, fixture   string
}

func linux() sample {
	return sample{version: "2.2.0", tag: "py3-none-manylinux_2_17_x86_64", library: "libsageattn.so", fixture: "good.so", text: "x = 1\n"}
}

func arm() sample {
	s := linux()
	s.tag, s.fixture = "py3-none-manylinux_2_17_aarch64", "aarch64.so"
	return s
}

func windows() sample {
	s := linux()
	s.tag, s.library, s.fixture = "py3-none-win_amd64", "sageattn.dll", "good.dll"
	return s
}

// write puts the wheel into dir.
func (s sample) write(t *testing.T, dir string) string {
	t.Helper()
	info := "sageattention-" + s.version + ".dist-info"
	metadata := fmt.Sprintf("Metadata-Version: 2.4\nName: sageattention\nVersion: %s\nLicense-Expression: Apache-2.0\nLicense-File: LICENSE\n", s.version)
	wheelFile := "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: " + s.tag + "\n"
	files := []wheeltest.File{
		{Name: "sageattention/__init__.py", Data: []byte(s.text)},
		{Name: "sageattention/triton/_quant.py", Data: []byte("y = 2\n")},
		{Name: "sageattention/lib/sageattn.fatbin", Data: wheeltest.Fixture(t, "speed.fatbin")},
		{Name: "sageattention/lib/" + s.library, Data: wheeltest.Fixture(t, s.fixture)},
		{Name: info + "/METADATA", Data: []byte(metadata)}, {Name: info + "/WHEEL", Data: []byte(wheelFile)},
		{Name: info + "/licenses/LICENSE", Data: []byte("Apache License")},
	}
	files = append(files, wheeltest.File{Name: info + "/RECORD", Data: []byte(wheeltest.Record(info, files))})
	path := filepath.Join(dir, fmt.Sprintf("sageattention-%s-%s.whl", s.version, s.tag))
	if err := os.WriteFile(path, wheeltest.Pack(t, "", files...), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func export(t *testing.T, output string, samples ...sample) (*Result, error) {
	t.Helper()
	dir := t.TempDir()
	var wheels []string
	for _, s := range samples {
		wheels = append(wheels, s.write(t, dir))
	}
	return Export(Options{Wheels: wheels, Output: output})
}

func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestExport(t *testing.T) {
	output := filepath.Join(t.TempDir(), "new", "kernel")
	result, err := export(t, output, windows(), linux(), arm())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"LICENSE", "README.md", "build/torch-cuda/VERSION", "build/torch-cuda/__init__.py",
		"build/torch-cuda/lib/aarch64-linux/libsageattn.so", "build/torch-cuda/lib/sageattn.fatbin",
		"build/torch-cuda/lib/x86_64-linux/libsageattn.so", "build/torch-cuda/lib/x86_64-windows/sageattn.dll",
		"build/torch-cuda/metadata.json", "build/torch-cuda/triton/_quant.py",
	}
	if got := tree(t, output); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if want := []string{"aarch64-linux", "x86_64-linux", "x86_64-windows"}; !slices.Equal(result.Platforms, want) {
		t.Errorf("platforms %q, want %q", result.Platforms, want)
	}
	if result.Files != len(want) || result.Version != "2.2.0" {
		t.Errorf("result %+v", result)
	}
	if entries, _ := os.ReadDir(filepath.Dir(output)); len(entries) != 1 {
		t.Errorf("the export left %v beside its directory", entries)
	}
}

// The digest is of all files but metadata.json, and the id follows from it.
func TestMetadata(t *testing.T) {
	output := filepath.Join(t.TempDir(), "kernel")
	result, err := export(t, output, linux())
	if err != nil {
		t.Fatal(err)
	}
	build := filepath.Join(output, "build", Variant)
	text, err := os.ReadFile(filepath.Join(build, metadataFile))
	if err != nil {
		t.Fatal(err)
	}
	var got metadata
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	sums := map[string]string{}
	for _, name := range tree(t, build) {
		if name != metadataFile {
			data, _ := os.ReadFile(filepath.Join(build, name))
			sum := sha256.Sum256(data)
			sums[name] = base64.StdEncoding.EncodeToString(sum[:])
		}
	}
	if !reflect.DeepEqual(got.Digest.Files, sums) {
		t.Errorf("digests %q, want %q", got.Digest.Files, sums)
	}
	if got.ID != result.ID || !strings.HasPrefix(got.ID, "sage_attention_cuda_") || got.License != "Apache-2.0" || got.Backend.Type != "cuda" {
		t.Errorf("metadata %+v", got)
	}
	if !slices.Equal(got.Backend.Archs, result.Archs) || len(got.Backend.Archs) == 0 {
		t.Errorf("archs %q", got.Backend.Archs)
	}
}

// The same wheels give the same bytes in any order, other ones another id.
func TestID(t *testing.T) {
	dir := t.TempDir()
	ids := map[string]string{}
	changed := linux()
	changed.text = "x = 2\n"
	for name, samples := range map[string][]sample{
		"both": {linux(), arm()}, "turned": {arm(), linux()}, "one": {linux()}, "changed": {changed},
	} {
		result, err := export(t, filepath.Join(dir, name), samples...)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = result.ID
	}
	if ids["both"] != ids["turned"] || ids["both"] == ids["one"] || ids["one"] == ids["changed"] {
		t.Errorf("ids %q", ids)
	}
}

func TestExportReplacesItsOwn(t *testing.T) {
	output := filepath.Join(t.TempDir(), "kernel")
	for _, s := range []sample{linux(), arm()} {
		if _, err := export(t, output, s); err != nil {
			t.Fatal(err)
		}
	}
	if got := tree(t, output); slices.Contains(got, "build/torch-cuda/lib/x86_64-linux/libsageattn.so") {
		t.Errorf("an earlier export is still there: %q", got)
	}
}

func TestExportFollowsALink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("kernel", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "kernel"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, link, linux()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if got := tree(t, filepath.Join(dir, "kernel")); len(got) == 0 {
		t.Error("nothing was written to the link's directory")
	}
}

func TestExportRefuses(t *testing.T) {
	newer, other := arm(), arm()
	newer.version = "2.3.0"
	other.text = "x = 2\n"
	cell := linux()
	cell.tag = "cp312-cp312-linux_x86_64"
	mac := linux()
	mac.tag = "py3-none-macosx_11_0_arm64"
	legacy := linux()
	legacy.tag = "py3-none-linux_x86_64"
	for _, c := range []struct {
		name, want string
		samples    []sample
	}{
		{"a wheel of one Python", "is no universal wheel", []sample{cell}},
		{"another platform", "want Linux on x86-64 or Arm, or Windows", []sample{mac}},
		{"two of a platform", "are both for x86_64-linux: name one", []sample{linux(), legacy}},
		{"two versions", "has version", []sample{linux(), newer}},
		{"two builds", "differ in __init__.py: they are of different builds", []sample{linux(), other}},
	} {
		output := filepath.Join(t.TempDir(), "kernel")
		_, err := export(t, output, c.samples...)
		if err == nil || !strings.Contains(err.Error(), c.want) || diag.ClassOf(err) != diag.Usage {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if _, err := os.Stat(output); !os.IsNotExist(err) {
			t.Errorf("%s: something was written", c.name)
		}
	}
}

func TestExportLeavesOtherDirectoriesAlone(t *testing.T) {
	output := t.TempDir()
	if err := os.WriteFile(filepath.Join(output, "thesis.tex"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := export(t, output, linux())
	if diag.ClassOf(err) != diag.Usage || !strings.Contains(err.Error(), "is not empty, and no kernel was exported to it") {
		t.Error(err)
	}
	if got := tree(t, output); !slices.Equal(got, []string{"thesis.tex"}) {
		t.Errorf("files %q", got)
	}
}

func TestDamagedWheel(t *testing.T) {
	path := linux().write(t, t.TempDir())
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data[:len(data)-9], 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Export(Options{Wheels: []string{path}, Output: filepath.Join(t.TempDir(), "kernel")})
	if diag.ClassOf(err) != diag.Mismatch {
		t.Error(err)
	}
}
