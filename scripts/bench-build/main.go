// Command bench-build measures what builds cost and writes docs/bench-build.md, with the figures that the page had before
// beside the new ones. It wants root, network, some 20 GB of disk and a machine that does nothing else; the ten single
// builds with empty caches take most of its time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	var b bench
	var output string
	var cells int
	var group string
	flag.StringVar(&b.sagebuild, "sagebuild", "bin/sagebuild", "the `binary` to measure")
	flag.StringVar(&output, "output", "", "`file` that receives the results (default docs/bench-build.md, with -cells docs/bench-cells.md, with -group docs/bench-GROUP.md)")
	flag.StringVar(&b.singles, "singles", "all", "single-cell builds: all, one per torch (torch), the others counted like it, or none")
	flag.IntVar(&cells, "cells", 0, "measure a generated definition with `N` cells instead")
	flag.StringVar(&group, "group", "", "measure a `group` of the matrix instead, such as everything: cold and warm")
	flag.BoolVar(&b.withCached, "cached", false, "with -cells or -group, bake once more without the wheels, from the build cache")
	flag.StringVar(&b.work, "work", "", "`directory` for states and wheels (default: a temporary one)")
	flag.Parse()
	if err := b.run(output, group, cells); err != nil {
		fmt.Fprintln(os.Stderr, "bench-build: error:", err)
		os.Exit(1)
	}
}

func (b *bench) run(output, group string, cells int) (err error) {
	if !slices.Contains([]string{"all", "torch", "none"}, b.singles) {
		return fmt.Errorf("-singles is %q, want all, torch or none", b.singles)
	}
	measureAll, markdown, page := b.measureAll, b.markdown, "docs/bench-build.md"
	switch {
	case cells > 0 && group != "":
		return errors.New("-cells and -group are two measurements: give one of them")
	case cells > 0:
		measureAll, markdown, page = func() error { return b.measureCells(cells) }, b.cellsMarkdown, "docs/bench-cells.md"
	case group != "":
		measureAll, markdown = func() error { return b.measureWarm(group) }, func() string { return b.groupMarkdown(group) }
		page = "docs/bench-" + group + ".md"
	}
	if output == "" {
		output = page
	}
	if b.before, err = readPage(output); err != nil {
		return err
	}
	if b.work, err = os.MkdirTemp(b.work, "sagebuild-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.work)) }()
	if b.source, err = b.copySource(); err != nil {
		return err
	}
	if err := measureAll(); err != nil {
		return err
	}
	text := markdown()
	fmt.Print(text)
	return os.WriteFile(output, []byte(text), 0o644)
}

// copySource makes a copy of the files that git tracks, so that touching a kernel touches nobody's work.
func (b *bench) copySource() (string, error) {
	to := filepath.Join(b.work, "source")
	listed, err := exec.Command("git", "ls-files", "-z", "--", "csrc", "python", "dockerfiles", "lock", "LICENSE", "README.md").Output()
	if err != nil {
		return "", fmt.Errorf("listing the sources: %w", err)
	}
	for path := range strings.SplitSeq(strings.TrimRight(string(listed), "\x00"), "\x00") {
		if err := copyFile(path, filepath.Join(to, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return to, nil
}

// copyFile copies a file, and a link as a link.
func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}
