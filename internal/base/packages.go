package base

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// pinCheck accepts or refuses a set of packages before anything is made of it.
type pinCheck func(map[string]Pin) error

// lockedPackages accepts the packages that the lock has for a.
func (s *Store) lockedPackages(a *Archive) pinCheck {
	return func(found map[string]Pin) error {
		differences := comparePins(a.Packages, found)
		if len(differences) == 0 {
			return nil
		}
		shown := differences[:min(len(differences), 3)]
		return changed(a.PackagesAt, "%s of %s not as locked: %s", ui.Count(len(differences), "package"), a.Suite, strings.Join(shown, "; "))
	}
}

// comparePins describes, sorted by name, what differs.
func comparePins(locked map[string]string, found map[string]Pin) []string {
	names := map[string]bool{}
	for name := range locked {
		names[name] = true
	}
	for name := range found {
		names[name] = true
	}
	var differences []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want, isLocked := locked[name]
		have, isFound := found[name]
		switch {
		case !isFound:
			differences = append(differences, name+" is missing")
		case !isLocked:
			differences = append(differences, name+" "+have.Version+" is new")
		case want != have.String():
			differences = append(differences, fmt.Sprintf("%s is %s, locked is %s", name, have.Version, strings.Fields(want)[0]))
		}
	}
	return differences
}

// debPins hashes the package files of a directory, by package.
func debPins(dir string) (map[string]Pin, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return nil, err
	}
	pins := map[string]Pin{}
	for _, path := range paths {
		sum, err := digest.File(path)
		if err != nil {
			return nil, err
		}
		name, version := debName(path)
		pins[name] = Pin{Version: version, SHA256: sum}
	}
	return pins, nil
}

// debName splits apt's name of a package file, name_version_architecture.deb, where the colon of an epoch is written
// %3a.
func debName(path string) (name, version string) {
	name, rest, _ := strings.Cut(filepath.Base(path), "_")
	version, _, _ = strings.Cut(rest, "_")
	return name, strings.ReplaceAll(version, "%3a", ":")
}
