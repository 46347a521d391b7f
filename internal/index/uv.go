package index

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var platformPattern = regexp.MustCompile(`^(?:(linux|manylinux|musllinux|macosx|win)(?:_([0-9]+)_([0-9]+))?_)?(any|x86_64|amd64|aarch64|arm64|universal2)$`)

// uvPlatforms are uv's names of platforms (uv pip install --help, --python-platform), by the system and the machine of
// a platform tag. Its Linux takes manylinux tags up to 2_28.
var uvPlatforms = map[[2]string]string{
	{"", "any"}:              "x86_64-unknown-linux-gnu",
	{"linux", "x86_64"}:      "x86_64-unknown-linux-gnu",
	{"linux", "aarch64"}:     "aarch64-unknown-linux-gnu",
	{"musllinux", "x86_64"}:  "x86_64-unknown-linux-musl",
	{"musllinux", "aarch64"}: "aarch64-unknown-linux-musl",
	{"macosx", "x86_64"}:     "x86_64-apple-darwin",
	{"macosx", "arm64"}:      "aarch64-apple-darwin",
	{"macosx", "universal2"}: "aarch64-apple-darwin",
	{"win", "amd64"}:         "x86_64-pc-windows-msvc",
	{"win", "arm64"}:         "aarch64-pc-windows-msvc",
}

// uvPlatform names the platform of a tag as uv does. settings are the variables that uv wants besides: it takes the
// oldest macOS that it supports, unless one names a newer.
func uvPlatform(tag string) (name string, settings []string, err error) {
	parts := platformPattern.FindStringSubmatch(tag)
	if parts == nil {
		return "", nil, fmt.Errorf("uv has no name for platform %s", tag)
	}
	system, major, minor, machine := parts[1], parts[2], parts[3], parts[4]
	name, known := uvPlatforms[[2]string{strings.TrimPrefix(system, "many"), machine}]
	if glibc, _ := strconv.Atoi(minor); system == "manylinux" && glibc > 28 {
		name = fmt.Sprintf("%s-manylinux_2_%d", machine, max(glibc, 31)) // uv knows 2_31 to 2_40 by name
		known = known && glibc <= 40
	}
	if !known {
		return "", nil, fmt.Errorf("uv has no name for platform %s", tag)
	}
	if system == "macosx" && major != "" {
		settings = []string{"MACOSX_DEPLOYMENT_TARGET=" + major + "." + minor}
	}
	return name, settings, nil
}
