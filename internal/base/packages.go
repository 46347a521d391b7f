package base

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// stanza is one paragraph of Debian's control format: fields by name, without their continuation lines.
type stanza map[string]string

// readControl calls each with every paragraph of a control file.
func readControl(r io.Reader, each func(stanza)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	current := stanza{}
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			each(current)
			current = stanza{}
			continue
		}
		if name, value, found := strings.Cut(line, ":"); found && line[0] != ' ' && line[0] != '\t' {
			current[name] = strings.TrimSpace(value)
		}
	}
	if len(current) > 0 {
		each(current)
	}
	return lines.Err()
}

// packageID names one file of a binary package.
type packageID struct{ name, version, architecture string }

func (s stanza) id() packageID {
	return packageID{s["Package"], s["Version"], s["Architecture"]}
}

// readIndexes reads the package indexes of apt's list directory: the hash of every file the archive offers. apt
// checked the indexes against the archive's signature.
func readIndexes(lists string) (map[packageID]string, error) {
	paths, err := filepath.Glob(filepath.Join(lists, "*_Packages"))
	if err != nil {
		return nil, err
	}
	hashes := map[packageID]string{}
	for _, path := range paths {
		err := readControlFile(path, func(s stanza) { hashes[s.id()] = s["SHA256"] })
		if err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func readControlFile(path string, each func(stanza)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return readControl(f, each)
}

// installedPins lists what dpkg installed, with the hashes of the indexes it came from.
func installedPins(status, lists string) (map[string]Pin, error) {
	hashes, err := readIndexes(lists)
	if err != nil {
		return nil, err
	}
	pins := map[string]Pin{}
	var missing error
	err = readControlFile(status, func(s stanza) {
		hash := hashes[s.id()]
		if hash == "" && missing == nil {
			missing = fmt.Errorf("the package indexes have no %s %s", s["Package"], s["Version"])
		}
		pins[s["Package"]] = Pin{Version: s["Version"], SHA256: hash}
	})
	if err == nil {
		err = missing
	}
	return pins, err
}

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
