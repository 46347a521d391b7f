package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/durable"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/system"
)

// stagingPattern names the directories in which results wait until they are checked. These lie inside dist/, where a
// rename into dist/ is atomic even if dist/ is a mount of its own; the dot keeps them out of dist/*.
const stagingPattern = ".staging-*"

// staging is one run's directory. It stays locked while the run lives, so that another run can tell it from the
// leftovers of a run that was killed.
type staging struct {
	dist, dir string
	lock      io.Closer
	madeDist  bool
}

func newStaging(dist string) (*staging, error) {
	dist, err := filepath.Abs(dist)
	if err != nil {
		return nil, err
	}
	_, missing := os.Stat(dist)
	s := &staging{dist: dist, madeDist: errors.Is(missing, fs.ErrNotExist)}
	if err := s.open(); err != nil {
		return nil, distError(dist, err)
	}
	return s, nil
}

// open makes the directory and locks it while dist/ is locked as well: a sweep in between would take it for a leftover.
func (s *staging) open() error {
	if err := os.MkdirAll(s.dist, 0o755); err != nil {
		return err
	}
	lock, err := system.Lock(s.dist)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := sweep(s.dist); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp(s.dist, stagingPattern); err != nil {
		return err
	}
	s.lock, err = system.TryLock(s.dir)
	return err
}

// distError is about dist/ itself, which is full, read-only or no directory.
func distError(dist string, err error) error {
	if diag.IsDiskFull(err) {
		return &diag.Error{Class: diag.Environment, Message: "the disk of " + dist + " is full", Hint: diag.Command("df", "-h", dist) + " && " + diag.Command("df", "-i", dist)}
	}
	return &diag.Error{Class: diag.Environment, Message: "cannot write to " + dist, Err: err, Hint: "sagebuild bake --dist DIR"}
}

// target gives a target's results a directory of their own.
func (s *staging) target(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", distError(s.dist, err)
	}
	return dir, nil
}

// alone copies a file to a directory that holds nothing else, under the name it should have.
func (s *staging) alone(path, name string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(s.dir, "alone-")
	if err != nil {
		return "", distError(s.dist, err)
	}
	return dir, s.write(filepath.Join(dir, name), text)
}

// write makes a file in staging.
func (s *staging) write(path string, text []byte) error {
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return distError(s.dist, err)
	}
	return nil
}

// close removes the directory, and a dist/ that this run made and left empty.
func (s *staging) close() error {
	err := os.RemoveAll(s.dir)
	s.lock.Close()
	if s.madeDist {
		_ = os.Remove(s.dist) // fails where it holds a result, as it should
	}
	return err
}

// publishWheel moves a checked wheel into dist/ with its provenance, a file beside it that may be missing, and lists
// both in SHA256SUMS, with the hashes that it returns. The provenance goes first, so that dist/ never holds a wheel with the provenance of another.
func (s *staging) publishWheel(path string) (to string, files sums.List, err error) {
	to = filepath.Join(s.dist, filepath.Base(path))
	if files, err = s.publishFiles(path, to); err != nil {
		return to, nil, distError(s.dist, err)
	}
	return to, files, nil
}

func (s *staging) publishFiles(path, to string) (sums.List, error) {
	statement := provenance.StatementFile(path)
	if _, err := os.Stat(statement); err == nil {
		return sums.Publish(s.dist, statement, path)
	}
	if err := os.Remove(provenance.StatementFile(to)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return sums.Publish(s.dist, path)
}

// publishDir moves a directory to dist/name, in place of the one that is there.
func (s *staging) publishDir(dir, name string) (string, error) {
	to := filepath.Join(s.dist, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", distError(s.dist, err)
	}
	if err := durable.Replace(dir, to); err != nil {
		return "", distError(s.dist, err)
	}
	return to, nil
}

// Sweep removes from dist/ what killed runs left, and lists it.
func Sweep(dist string) ([]string, error) {
	lock, err := system.Lock(dist)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for leftovers in %s: %w", dist, err)
	}
	defer lock.Close()
	return sweep(dist)
}

// sweep removes the staging directories that no living run holds, and lists of hashes that were not finished. The
// caller has locked dist/.
func sweep(dist string) ([]string, error) {
	removed := []string{}
	for _, pattern := range []string{stagingPattern, sums.Partial} {
		paths, err := filepath.Glob(filepath.Join(dist, pattern))
		if err != nil {
			return removed, err
		}
		for _, path := range paths {
			lock, err := system.TryLock(path)
			if err != nil {
				continue // in use
			}
			err = os.RemoveAll(path)
			lock.Close()
			if err != nil {
				return removed, err
			}
			removed = append(removed, path)
		}
	}
	return removed, nil
}
