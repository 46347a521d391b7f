package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	dist     = "../../dist"
	document = "../../docs/kernels.md"
	fixture  = "../../internal/audit/testdata/fixture-1.0-py3-none-manylinux_2_17_x86_64.whl"
)

// TestNoShippedKernelSpills looks at every wheel that was built.
func TestNoShippedKernelSpills(t *testing.T) {
	wheels, err := filepath.Glob(filepath.Join(dist, "sageattention-*.whl"))
	if err != nil {
		t.Fatal(err)
	}
	if len(wheels) == 0 {
		t.Skip("dist/ has no wheel: make wheel")
	}
	for _, path := range wheels {
		r, err := read(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.checkLocalMemory(); err != nil {
			t.Error(err)
		}
		for name, variants := range r.named {
			for sm, kernel := range variants {
				if kernel.Registers == 0 {
					t.Errorf("%s: nothing is known of %s for SM %s", path, name, sm)
				}
			}
		}
	}
}

func TestReportIsOfTheDefaultWheel(t *testing.T) {
	name, err := defaultWheel()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dist, name)
	if _, err := os.Stat(path); err != nil {
		t.Skip("dist/ lacks the default wheel: make wheel")
	}
	r, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(document); err != nil || string(text) != r.markdown() {
		t.Errorf("docs/kernels.md is not of the wheel in dist/ (%v): make wheel kernels-report", err)
	}
}

// The fixture's kernel permute has a local array of 512 bytes.
func TestLocalMemoryIsRefused(t *testing.T) {
	output := filepath.Join(t.TempDir(), "kernels.md")
	err := write(fixture, output)
	if err == nil || !strings.Contains(err.Error(), "permute for SM 7.0 (512 bytes), permute for SM 8.0") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(output); err == nil {
		t.Error("a report was written all the same")
	}
}

func TestMarkdown(t *testing.T) {
	r, err := read(fixture)
	if err != nil {
		t.Fatal(err)
	}
	delete(r.named["scale"], r.sms[0])
	for _, want := range []string{
		"3 kernels by name, 14 with each SM counted",
		"| kernel | 7.0 | 8.0 | 9.0a | 10.0f | 12.1 |\n|---|---:|---:|---:|---:|---:|\n| `permute` | 16 | 10 | 10 | 10 | 14 |\n",
		"| `scale` |  | 8 | 8 | 8 | 8 |\n",
		"| `reverse` | 1024 | 1024 | 2048 | 2048 | 2048 |\n",
	} {
		if text := r.markdown(); !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if compareNames("attention_fp16_hd64", "attention_fp16_hd128") >= 0 {
		t.Error("attention_fp16_hd128 stands before attention_fp16_hd64")
	}
}
