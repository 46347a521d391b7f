package wheel

import (
	"regexp"
	"strings"
)

// Platform is what a platform tag promises. Fields that the tag does not say are empty, so "any" has none.
type Platform struct {
	System  string // "linux", "windows", "macos" or "wasm"
	Machine string // "x86_64", "aarch64", "i686" …: one name on every system
	Glibc   string // "2.17" of manylinux_2_17: a system with this glibc is enough
}

var (
	manylinuxTag = regexp.MustCompile(`^manylinux_(2_\d+)_(.+)$`)
	legacyTag    = regexp.MustCompile(`^manylinux(1|2010|2014)_(.+)$`)
	linuxTag     = regexp.MustCompile(`^(?:linux|musllinux_\d+_\d+)_(.+)$`)
	macosTag     = regexp.MustCompile(`^macosx_\d+_\d+_(.+)$`)
	wasmTag      = regexp.MustCompile(`^(?:emscripten|pyodide|wasi)_.*_?(wasm32)$`)

	legacyGlibc     = map[string]string{"1": "2.5", "2010": "2.12", "2014": "2.17"}
	windowsMachines = map[string]string{"win32": "i686", "win_amd64": "x86_64", "win_arm64": "aarch64"}
)

// ParsePlatform takes a platform tag apart. Tags of no known form give an empty Platform.
func ParsePlatform(tag string) Platform {
	if match := manylinuxTag.FindStringSubmatch(tag); match != nil {
		return Platform{"linux", match[2], strings.ReplaceAll(match[1], "_", ".")}
	}
	if match := legacyTag.FindStringSubmatch(tag); match != nil {
		return Platform{"linux", match[2], legacyGlibc[match[1]]}
	}
	if match := linuxTag.FindStringSubmatch(tag); match != nil {
		return Platform{System: "linux", Machine: match[1]}
	}
	if match := macosTag.FindStringSubmatch(tag); match != nil {
		return Platform{System: "macos", Machine: strings.ReplaceAll(match[1], "arm64", "aarch64")}
	}
	if match := wasmTag.FindStringSubmatch(tag); match != nil {
		return Platform{System: "wasm", Machine: match[1]}
	}
	if machine, ok := windowsMachines[tag]; ok {
		return Platform{System: "windows", Machine: machine}
	}
	return Platform{}
}

// Fits reports whether a library for a system and a machine runs on the platform. What neither says fits.
func (p Platform) Fits(system, machine string) bool {
	return (p.System == "" || system == "" || p.System == system) && (p.Machine == "" || machine == "" || p.Machine == machine)
}
