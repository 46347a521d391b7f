package main

import (
	"os"
	"testing"
)

func TestReleasesAreInTheChangelog(t *testing.T) {
	const released = "# Changes\n\n## 0.2.0 (2026-12-01)\n\n- x\n\n## 0.1.0 (2026-11-01)\n"
	for _, test := range []struct {
		version, changelog string
		ok                 bool
	}{
		{"0.2.0", released, true},
		{"0.1.0", released, false}, // an older one
		{"0.3.0", released, false},
		{"0.2.0", "## Unreleased\n\n" + released, false},
		{"0.2.0", "## 0.2.0\n", false}, // no date
		{"0.2.0rc1", "## 0.2.0rc1 (2026-12-01)\n", true},
		{"0.2.0.dev20261126201929+gf1d995512345", released, false},
	} {
		if err := checkRelease(test.version, test.changelog); (err == nil) != test.ok {
			t.Errorf("%s: %v with\n%s", test.version, err, test.changelog)
		}
	}
}

func TestChangelogHasSections(t *testing.T) {
	inRoot(t)
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil || section.FindString(string(text)) == "" {
		t.Errorf("no section that the release check understands, %v", err)
	}
}
