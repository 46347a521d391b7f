// Command tool-wheels builds sagebuild for every platform and packs each binary as a wheel, so that
// `pip install sagebuild` and `uvx sagebuild` work where there is no Go.
//
//	main.go        what is built
//	build.go       the binary of a platform, and what it says about itself
//	version.go     its version as PEP 440 writes it
//	changelog.go   that a release has its section in CHANGELOG.md
//	metadata.go    METADATA and WHEEL
//	licenses.go    the licences of everything that is linked into it
//	pack.go        the wheel
//
// It is a program in Go because the same commit must give the same wheel on any machine: one toolchain, which go.mod
// names, compiles, links and compresses. Python's zlib differs from machine to machine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// target is a system that wheels of the tool are for.
type target struct {
	system, processor string // as Go calls them
	tags              string // platform tags of the wheel
}

func (t target) String() string { return t.system + "/" + t.processor }

// targets are all of them. The Linux binaries are static, so that any libc will do, from the oldest that PyPI has tags
// for. macOS 12 is the oldest that Go 1.26 runs on (https://go.dev/doc/go1.26#darwin).
var targets = []target{
	{"linux", "amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"},
	{"linux", "arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"},
	{"darwin", "amd64", "macosx_12_0_x86_64"},
	{"darwin", "arm64", "macosx_12_0_arm64"},
	{"windows", "amd64", "win_amd64"},
}

func main() {
	output := flag.String("output", "dist/tool", "`directory` that receives the wheels")
	platforms := flag.String("platforms", "all", "`list` of systems such as linux/amd64,windows/amd64")
	release := flag.Bool("release", false, "refuse what is not a tagged release that CHANGELOG.md begins with")
	flag.Parse()
	if err := run(*output, *platforms, *release); err != nil {
		fmt.Fprintln(os.Stderr, "tool-wheels: error:", err)
		os.Exit(1)
	}
}

func run(output, platforms string, release bool) error {
	wanted, err := choose(platforms)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "tool-wheels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, t := range wanted {
		if err := makeWheel(t, work, output, release); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	return nil
}

func choose(platforms string) ([]target, error) {
	if platforms == "all" {
		return targets, nil
	}
	var chosen []target
	for name := range strings.SplitSeq(platforms, ",") {
		before := len(chosen)
		for _, t := range targets {
			if t.String() == name {
				chosen = append(chosen, t)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("there is no platform %q: want some of %v", name, targets)
		}
	}
	return chosen, nil
}

// makeWheel builds and packs one wheel and prints where it lies.
func makeWheel(t target, work, output string, release bool) error {
	b, err := build(t, work)
	if err != nil {
		return err
	}
	if release {
		changelog, err := os.ReadFile("CHANGELOG.md")
		if err := errors.Join(err, checkRelease(b.version, string(changelog))); err != nil {
			return err
		}
	}
	licenses, err := thirdParty(t)
	if err != nil {
		return err
	}
	name, wheel, err := pack(b, licenses)
	if err != nil {
		return err
	}
	path := filepath.Join(output, name)
	if err := errors.Join(os.WriteFile(path, wheel, 0o644), check(path)); err != nil {
		return err
	}
	fmt.Printf("%s  %s, binary %s\n", path, ui.Size(len(wheel)), ui.Size(len(b.content)))
	return nil
}
