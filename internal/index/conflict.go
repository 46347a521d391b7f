package index

import (
	"errors"
	"fmt"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

// conflicts reports wheels of one index between which an installer would have to guess: same project, version,
// Python, ABI and platform. Each error names both wheels.
func conflicts(entries []Entry) error {
	var found []error
	first := map[string]string{}
	for _, entry := range entries {
		told := false
		for _, key := range entry.keys() {
			other, taken := first[key]
			switch {
			case !taken:
				first[key] = entry.Filename
			case other != entry.Filename && !told: // one pair of files may share several tags
				told = true
				found = append(found, &diag.Error{Class: diag.Mismatch, Hint: "move one of them out of the directory",
					Message: fmt.Sprintf("%s and %s are for the same Python and platform in %s", other, entry.Filename, entry.Channel.Dir())})
			}
		}
	}
	return errors.Join(found...)
}

// keys has one element for each combination of the file's compressed tags.
func (e Entry) keys() []string {
	if e.IsSdist() {
		return []string{e.Dir() + " " + e.Version}
	}
	var keys []string
	for _, python := range e.names.Python {
		for _, abi := range e.names.ABI {
			for _, platform := range e.names.Platform {
				keys = append(keys, fmt.Sprintf("%s %s %s-%s-%s", e.Dir(), e.Version, python, abi, machine(platform)))
			}
		}
	}
	return keys
}

// machine is the same for all tags of glibc systems of one machine. Installers prefer the tag with the newest glibc,
// so they would never install the other of two wheels with such tags, whatever else tells the wheels apart.
func machine(tag string) string {
	if platform := wheel.ParsePlatform(tag); platform.Glibc != "" {
		return platform.System + "_" + platform.Machine
	}
	return tag
}
