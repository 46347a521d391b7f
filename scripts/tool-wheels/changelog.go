package main

import (
	"fmt"
	"regexp"
)

// section is the heading of a release, or of what is not released yet.
var section = regexp.MustCompile(`(?m)^## (Unreleased|(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?) \((\d{4}-\d{2}-\d{2})\))$`)

// checkRelease wants the version to be that of a tag, and the first section of CHANGELOG.md to be about it.
func checkRelease(version, changelog string) error {
	if !regexp.MustCompile(`^\d+\.\d+\.\d+((a|b|rc)\d+)?$`).MatchString(version) {
		return fmt.Errorf("%s is no release: tag the commit vX.Y.Z, with nothing left to commit", version)
	}
	first := section.FindStringSubmatch(changelog)
	if first == nil || first[2] != version {
		return fmt.Errorf("CHANGELOG.md does not begin with the section \"## %s (YYYY-MM-DD)\"", version)
	}
	return nil
}
