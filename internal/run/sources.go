package run

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
)

// sources hash what builds read: each file once a run, however many targets read it. A path that is absolute is a
// context of its own; others lie below the source directory, where BuildKit leaves out what .dockerignore names.
type sources struct {
	dir    string // absolute
	ignore *patternmatcher.PatternMatcher
	mutex  sync.Mutex
	known  map[string]snapshot // by path
}

// snapshot is a file, or a directory with all that is in it, at one time.
type snapshot struct {
	state string // hash of names, sizes and times
	sum   string // hash of names and contents
}

func newSources(dir string) (*sources, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	ignore, err := readIgnored(filepath.Join(dir, ".dockerignore"))
	return &sources{dir: dir, ignore: ignore, known: map[string]snapshot{}}, err
}

func readIgnored(path string) (*patternmatcher.PatternMatcher, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return nil, err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: path + " has a malformed pattern", Err: err, Hint: "$EDITOR " + diag.Quote(path)}
	}
	return matcher, nil
}

// sum is the hash of a file, or of a directory with the names and contents of all that is in it.
func (s *sources) sum(path string) (string, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if known, ok := s.known[path]; ok {
		return known.sum, nil
	}
	state, err := s.walk(path, addState) // before the contents, so that whatever changes from here on is seen
	if err != nil {
		return "", err
	}
	sum, err := s.walk(path, addContent)
	if err == nil {
		s.known[path] = snapshot{state, sum}
	}
	return sum, err
}

// untouched says that nothing was written there since sum read it, not even the same bytes.
func (s *sources) untouched(path string) bool {
	s.mutex.Lock()
	known, ok := s.known[path]
	s.mutex.Unlock()
	state, err := s.walk(path, addState)
	return ok && err == nil && state == known.state
}

// entry is a file, directory or link that BuildKit reads.
type entry struct {
	name string // below the directory that is walked
	path string
	info fs.FileInfo
}

// walk hashes what add writes about a file, or about a directory and each entry in it.
func (s *sources) walk(name string, add func(hash.Hash, entry) error) (string, error) {
	root, sum := name, sha256.New()
	if !filepath.IsAbs(name) {
		root = filepath.Join(s.dir, name)
	}
	err := filepath.WalkDir(root, func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(name) {
			if ignored, err := s.ignore.MatchesOrParentMatches(filepath.Join(name, below)); err != nil || ignored {
				return err
			}
		}
		info, err := found.Info()
		if err != nil {
			return err
		}
		if path == root && info.Mode().Type() == fs.ModeSymlink {
			return fmt.Errorf("%s is a link: changes behind it would not be seen", root)
		}
		return add(sum, entry{filepath.ToSlash(below), path, info})
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

func addState(to hash.Hash, e entry) error {
	_, err := fmt.Fprintf(to, "%q %s %d %d\n", e.name, e.info.Mode(), e.info.Size(), e.info.ModTime().UnixNano())
	return err
}

// addContent leaves out modes and times, of which no part and no wheel takes anything.
func addContent(to hash.Hash, e entry) (err error) {
	content, kind := "", e.info.Mode().Type()
	switch kind {
	case 0:
		content, err = digest.File(e.path)
	case fs.ModeSymlink:
		content, err = os.Readlink(e.path)
	}
	if err == nil {
		_, err = fmt.Fprintf(to, "%q %s %q\n", e.name, kind, content)
	}
	return err
}
