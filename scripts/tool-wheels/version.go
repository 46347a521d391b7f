package main

import (
	"fmt"
	"regexp"
)

// release, prerelease and pseudo are the versions that Go gives a binary: those of a tag, and those of a commit without
// one (https://go.dev/ref/mod#pseudo-versions). The last may have +dirty, for files that were not committed.
var (
	release    = regexp.MustCompile(`^v(\d+\.\d+\.\d+)$`)
	prerelease = regexp.MustCompile(`^v(\d+\.\d+\.\d+)-(a|b|rc)\.?(\d+)$`)
	pseudo     = regexp.MustCompile(`^v(\d+\.\d+\.\d+)-(?:(?:[\w.]+\.)?0\.)?(\d{14})-([0-9a-f]{12})(\+dirty)?$`)
)

// pep440 writes a version of Go as PEP 440 does: a commit without a tag is a development release of the next version,
// which no installer takes unless it is asked to.
func pep440(version string) (string, error) {
	if m := release.FindStringSubmatch(version); m != nil {
		return m[1], nil
	}
	if m := prerelease.FindStringSubmatch(version); m != nil {
		return m[1] + m[2] + m[3], nil
	}
	if m := pseudo.FindStringSubmatch(version); m != nil {
		local := "+g" + m[3]
		if m[4] != "" {
			local += ".dirty"
		}
		return m[1] + ".dev" + m[2] + local, nil
	}
	return "", fmt.Errorf("the binary has version %q, which names neither a tag vX.Y.Z nor a commit: build it in a clone, not in a git worktree", version)
}
