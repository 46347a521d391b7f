package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/system"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// Pythons and platforms of the generated cells, as the definition spells them.
var (
	cellPythons   = []string{"3.10", "3.11", "3.12", "3.13", "3.14"}
	cellPlatforms = []string{"linux", "linux-arm64", "windows"}
)

// facts are what the generated cells stand on: two SMs, so that a thousand wheels fit on a disk.
const facts = `package "sage2" {
  distribution = "sageattention"
  module       = "sageattention"
  fatbin       = "sageattn.fatbin"
  version      = "2.2.0"
}

platform "linux" {
  tag           = "linux_x86_64"
  universal_tag = "manylinux_2_17_x86_64"
  triple        = "x86_64-linux-gnu"
  library       = "libsageattn.so"
  glibc         = "2.17"
}

platform "linux-arm64" {
  tag           = "linux_aarch64"
  universal_tag = "manylinux_2_17_aarch64"
  triple        = "aarch64-linux-gnu"
  library       = "libsageattn.so"
  glibc         = "2.17"
}

platform "windows" {
  tag           = "win_amd64"
  universal_tag = "win_amd64"
  triple        = "x86_64-windows-gnu"
  library       = "sageattn.dll"
}

cuda "12.9" {
  targets = ["7.0", "7.5"]
  source  = "made up, to measure"
}

sm "7.0" {
  cuda   = "12.0"
  gpus   = ["V100"]
  source = "made up, to measure"
}

sm "7.5" {
  cuda   = "12.0"
  gpus   = ["T4"]
  source = "made up, to measure"
}
`

// generated is a definition with at least that many cells, of torches that do not exist.
func generated(cells int) string {
	text := strings.Builder{}
	text.WriteString(facts)
	pythons := `"` + strings.Join(cellPythons, `", "`) + `"`
	row := len(cellPythons) * len(cellPlatforms)
	for minor := range (cells + row - 1) / row {
		fmt.Fprintf(&text, `
torch "2.%[1]d" {
  cuda   = ["12.9"]
  python = [%[2]s]
  source = "made up, to measure"
}

cells {
  package  = "sage2"
  platform = ["%[3]s"]
  torch    = "2.%[1]d.0"
  cuda     = "12.9.1"
  python   = [%[2]s]
}
`, 100+minor, pythons, strings.Join(cellPlatforms, `", "`))
	}
	return text.String()
}

// measureCells bakes a generated definition, cold and warm.
func (b *bench) measureCells(cells int) error {
	definition := filepath.Join(b.work, "cells.hcl")
	if err := os.WriteFile(definition, []byte(generated(cells)), 0o644); err != nil {
		return err
	}
	return b.measureWarm("everything", "--matrix", definition)
}

// measureWarm bakes a group cold, again when nothing changed, and where it is wanted again when only the wheels are gone,
// and adds up what that leaves on disk.
func (b *bench) measureWarm(group string, flags ...string) (err error) {
	again := func(m *measurement) (err error) {
		*m, b.wheels, err = b.bake("cells", io.Discard, group, flags...)
		return err
	}
	if err := again(&b.coldAll); err != nil {
		return err
	}
	if err := again(&b.unchanged); err != nil {
		return err
	}
	if b.withCached {
		if err := errors.Join(os.RemoveAll(filepath.Join(b.work, "dist")), again(&b.cached)); err != nil {
			return err
		}
	}
	if b.stateSize, err = system.TreeSize(filepath.Join(b.work, "cells")); err == nil {
		b.distSize, err = system.TreeSize(filepath.Join(b.work, "dist"))
	}
	return err
}

// cellsMarkdown is the page of measureCells.
func (b *bench) cellsMarkdown() string {
	return fmt.Sprintf("# What many cells cost\n\nWritten by `make bench-cells` on %s: %s of two SMs, three platforms and five Pythons.\n\n",
		machine(), ui.Count(len(b.wheels), "cell")) + b.warmMarkdown()
}

// groupMarkdown is the page of measureWarm for a group of the matrix.
func (b *bench) groupMarkdown(group string) string {
	return fmt.Sprintf("# What `bake %[1]s` costs\n\nWritten by `make bench-group GROUP=%[1]s` on %[2]s: %[3]s.\n\n",
		group, machine(), ui.Count(len(b.wheels), "wheel")) + b.warmMarkdown()
}

// warmMarkdown is what both pages have.
func (b *bench) warmMarkdown() string {
	var text strings.Builder
	count := float64(len(b.wheels))
	fmt.Fprintf(&text, "| | seconds | milliseconds a cell | CPU seconds | peak memory | goal |\n|---|---:|---:|---:|---:|---|\n")
	type line struct {
		name, goal string
		m          measurement
	}
	lines := []line{
		{"cold", "", b.coldAll},
		{"nothing changed", "under 50 ms a cell: " + verdict(b.unchanged.Wall.Seconds()/count < 0.05) + "; under 500 MB: " + verdict(b.unchanged.Peak < 500e6), b.unchanged},
	}
	if b.withCached {
		lines = append(lines, line{"wheels removed, every one from the build cache", "", b.cached})
	}
	for _, row := range lines {
		fmt.Fprintf(&text, "| %s | %.1f | %.1f | %.1f | %.0f MB | %s |\n", row.name, row.m.Wall.Seconds(), row.m.Wall.Seconds()*1000/count, row.m.CPU.Seconds(), float64(row.m.Peak)/1e6, row.goal)
	}
	fmt.Fprintf(&text, "\nThe wheels take %.0f MB, the state directory %.0f MB.\n", float64(b.distSize)/1e6, float64(b.stateSize)/1e6)
	return text.String() + "\n" + method
}
