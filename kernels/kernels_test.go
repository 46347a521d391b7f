package kernels

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

const sourceDir = ".."

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	contents := fstest.MapFS{}
	for name, content := range files {
		contents[name] = &fstest.MapFile{Data: []byte(content)}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, contents); err != nil {
		t.Fatal(err)
	}
	return dir
}

const oneSource = `packages = ["sage2"]
[[source]]
file = "attention.cu"
sms = ["9.0"]
kernels = ["attention_hd64"]
`

func TestIncludesAreFollowed(t *testing.T) {
	k, err := Read(tree(t, map[string]string{
		"csrc/kernels.toml":          oneSource,
		"csrc/device/attention.cu":   "#include <cuda_fp16.h>\n  #  include \"tile/tile.cuh\"\n// #include \"comment.cuh\"\n",
		"csrc/device/tile/tile.cuh":  "#include \"row.cuh\"\n#include \"ptx/mma.cuh\"\n#include \"../attention.cu\"\n",
		"csrc/device/tile/row.cuh":   "",
		"csrc/device/ptx/mma.cuh":    "#include \"tile/tile.cuh\"",
		"csrc/device/unused.cuh":     "",
		"csrc/device/params.h":       "",
		"csrc/host/launch.c":         "#include \"sageattn.h\"\n#include \"../device/params.h\"\n",
		"csrc/host/sageattn.h":       "",
		"csrc/device/not/followed.h": "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"csrc/device/ptx/mma.cuh", "csrc/device/tile/row.cuh", "csrc/device/tile/tile.cuh"}
	if got := k.Sources[0].Headers; !slices.Equal(got, want) {
		t.Errorf("headers %v, want %v", got, want)
	}
	if got := k.HostHeaders; !slices.Equal(got, []string{"csrc/device/params.h"}) {
		t.Errorf("host headers %v", got)
	}
}

func TestExportsAreThoseOfTheHeaders(t *testing.T) {
	_, k := defaults(t)
	for _, name := range []string{"sageattn_attention", "sageattn_last_error", "sageattn_wgmma_attention"} {
		if !slices.Contains(k.Exports, name) {
			t.Errorf("%s is no export: %v", name, k.Exports)
		}
	}
	if !slices.IsSorted(k.Exports) || slices.Contains(k.Exports, "sageattn_check_view") {
		t.Errorf("exports %v", k.Exports)
	}
}

func TestMistakesInKernelsPointAtTheirPlace(t *testing.T) {
	source := map[string]string{"csrc/device/attention.cu": "", "csrc/kernels.toml": oneSource}
	for _, test := range []struct {
		name    string
		files   map[string]string
		at      string
		message string
	}{
		{"unknown key", map[string]string{"csrc/kernels.toml": oneSource + "colour = 1\n"}, "csrc/kernels.toml:6:1", `unknown key "source.colour"`},
		{"syntax", map[string]string{"csrc/kernels.toml": "[[source]\n"}, "csrc/kernels.toml:1:", ""},
		{"bad SM", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, "9.0", "90", 1)}, "csrc/kernels.toml:4:8", `"90" is not an SM`},
		{"wrong type", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, `["9.0"]`, `9.0`, 1)}, "csrc/kernels.toml:4:", ""},
		{"no source", map[string]string{"csrc/kernels.toml": ""}, "", "names no source"},
		{"no SM", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, `["9.0"]`, `[]`, 1)}, "csrc/kernels.toml:3:8", "for no SM"},
		{"no kernel", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, `["attention_hd64"]`, `[]`, 1)}, "csrc/kernels.toml:3:8", "no kernel"},
		{"suffix", map[string]string{"csrc/kernels.toml": oneSource + "suffix = \"x\"\n"}, "csrc/kernels.toml:6:10", "want a or f"},
		{"twice", map[string]string{"csrc/kernels.toml": oneSource + strings.TrimPrefix(oneSource, "packages = [\"sage2\"]\n")}, "csrc/kernels.toml:7:8", "two entries"},
		{"unknown package", map[string]string{"csrc/kernels.toml": oneSource + "packages = [\"sage4\"]\n"}, "csrc/kernels.toml:3:8", `package "sage4" is none of sage2`},
		{"outside", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, "attention.cu", "../host/a.cu", 1)}, "csrc/kernels.toml:3:8", "below csrc/device"},
		{"missing source", map[string]string{"csrc/kernels.toml": strings.Replace(oneSource, "attention.cu", "none.cu", 1)}, "csrc/kernels.toml:3:8", "does not exist"},
		{"missing header", map[string]string{"csrc/device/attention.cu": "\n#include \"none.cuh\"\n"}, "csrc/device/attention.cu:2:10", `cannot include "none.cuh"`},
		{"header outside", map[string]string{"csrc/device/attention.cu": "#include \"../../LICENSE\"\n", "LICENSE": ""}, "csrc/device/attention.cu:1:10", "no such file below csrc"},
		{"header is a directory", map[string]string{"csrc/device/attention.cu": "#include \"ptx\"\n", "csrc/device/ptx/a.cuh": ""}, "csrc/device/attention.cu:1:10", "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{}
			for _, some := range []map[string]string{source, test.files} {
				for name, content := range some {
					files[name] = content
				}
			}
			_, err := Read(tree(t, files))
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Usage {
				t.Fatalf("got %v, want a Usage error", err)
			}
			if !strings.HasPrefix(err.Error(), test.at) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %q, want it at %q saying %q", err, test.at, test.message)
			}
		})
	}
}

func TestReadOutsideASourceTree(t *testing.T) {
	_, err := Read(t.TempDir())
	var e *diag.Error
	if !errors.As(err, &e) || e.Hint == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want an error with a hint", err)
	}
}

func defaults(t *testing.T) (*matrix.Matrix, *Set) {
	t.Helper()
	m, err := matrix.Load("")
	if err != nil {
		t.Fatal(err)
	}
	k, err := Read(sourceDir)
	if err != nil {
		t.Fatal(err)
	}
	return m, k
}

func TestEverySMTakesOneSourceOfAnOperation(t *testing.T) {
	m, k := defaults(t)
	if err := k.Check(m); err != nil {
		t.Fatal(err)
	}
	sm := func(major, minor int) matrix.SM { return matrix.SM{Major: major, Minor: minor} }
	source := func(file, kernel string, sms ...matrix.SM) Source {
		return Source{File: file, SMs: sms, Kernels: []string{kernel}, Packages: k.Packages}
	}
	for _, test := range []struct {
		name    string
		extra   Source
		message string
	}{
		{"two", source("attention_fp16_sm60.cu", "other", sm(7, 0)), "SM 7.0 has two sources of attention_fp16: mma/attention_fp16_sm70.cu, attention_fp16_sm60.cu"},
		{"two of another", source("attention_fp16_masked_sm60.cu", "other", sm(7, 0)), "SM 7.0 has two sources of attention_fp16_masked"},
		{"same kernel", source("extra.cu", "attention_fp16_hd64", sm(9, 0)), "kernel attention_fp16_hd64 of SM 9.0 is in both"},
	} {
		broken := &Set{Packages: k.Packages, Sources: append(slices.Clone(k.Sources), test.extra)}
		if err := broken.Check(m); err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.message)
		}
	}
	none := &Set{Packages: k.Packages, Sources: slices.DeleteFunc(slices.Clone(k.Sources), func(s Source) bool { return s.Operation() == attention })}
	err := none.Check(m)
	want := 0
	for _, pkg := range m.Packages() {
		want += len(m.SMsOf(pkg))
	}
	if got := len(diag.All(err)); got != want {
		t.Errorf("%d errors without any source of attention, want one for each of %d SMs of packages: %v", got, want, err)
	}
}

func TestAnSMLoadsItsImage(t *testing.T) {
	const (
		own   = "sm \"11.0\" {\n  cuda   = \"13.0\"\n"
		image = "sm \"11.0\" {\n  image = \"9.0\"\n"
	)
	before, after, found := strings.Cut(defaultDefinition(t), own)
	if !found {
		t.Fatalf("the definition has no %q", own)
	}
	m, err := matrix.Parse("my.hcl", []byte(before+image+after))
	if err != nil {
		t.Fatal(err)
	}
	_, k := defaults(t)
	place := fmt.Sprintf("my.hcl:%d:11: ", strings.Count(before, "\n")+2)
	if err := k.Check(m); err == nil || err.Error() != place+"SM 11.0 does not load the code of 9.0, only that of an older SM of the same major" {
		t.Errorf("got %v, want an error at %s", err, place)
	}
}

func FuzzParse(f *testing.F) {
	content, err := os.ReadFile(filepath.Join(sourceDir, File))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte(oneSource))
	f.Fuzz(func(t *testing.T, content []byte) {
		k, err := parse(content)
		if err != nil {
			if !errors.Is(err, diag.Usage) {
				t.Errorf("%v is not a Usage error", err)
			}
			return
		}
		for _, source := range k.Sources {
			if !filepath.IsLocal(source.File) || len(source.SMs) == 0 {
				t.Errorf("accepted %+v", source)
			}
		}
	})
}

// The list of kernels in the program is the list of the source tree that the program was built from.
func TestDefault(t *testing.T) {
	_, tree := defaults(t)
	k, err := Default()
	if err != nil || len(k.Sources) != len(tree.Sources) {
		t.Fatalf("%d sources, the tree has %d: %v", len(k.Sources), len(tree.Sources), err)
	}
	for i, source := range k.Sources {
		if source.File != tree.Sources[i].File || !slices.Equal(source.Kernels, tree.Sources[i].Kernels) {
			t.Errorf("%s is not %s of the tree", source.File, tree.Sources[i].File)
		}
	}
}
