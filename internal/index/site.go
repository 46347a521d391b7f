package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/matrix"
)

// site is one site that is being written.
type site struct {
	dir, old, dist, url string
	matrix              *matrix.Matrix
	entries             []Entry
	sums                sums.List // of every other file that sagebuild wrote
}

// write fills dir, from which nothing is served yet.
func (s *site) write(ctx context.Context) error {
	s.sums = sums.List{}
	for _, entry := range s.entries {
		if err := errors.Join(ctx.Err(), s.addFile(entry)); err != nil {
			return err
		}
	}
	if err := s.addIndexes(); err != nil {
		return err
	}
	manifest, err := indented(newManifest(s.entries))
	if err != nil {
		return err
	}
	page, err := humanPage(s.entries, s.matrix)
	if err != nil {
		return err
	}
	if err := errors.Join(s.add(ManifestFile, manifest), s.add("index.html", page)); err != nil {
		return err
	}
	if err := s.writeSums(); err != nil {
		return err
	}
	return errors.Join(s.carryOver(), readable(s.dir))
}

// add writes a file and remembers its hash.
func (s *site) add(name string, text []byte) error {
	sum := sha256.Sum256(text)
	s.sums[name] = hex.EncodeToString(sum[:])
	return writeFile(filepath.Join(s.dir, name), text)
}

func writeFile(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// addFile stores a wheel or an sdist, and beside it what PEP 658 and PEP 740 want there: METADATA and the provenance.
func (s *site) addFile(entry Entry) error {
	to := filepath.Join(s.dir, entry.Path())
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if !s.link(entry, to) {
		if err := copyChecked(filepath.Join(s.dist, entry.Filename), to, entry.SHA256); err != nil {
			return err
		}
	}
	s.sums[entry.Path()] = entry.SHA256
	if entry.ProvenanceSHA256 != "" {
		if err := s.add(entry.provenancePath(), entry.provenance); err != nil {
			return err
		}
	}
	if entry.IsSdist() {
		return nil
	}
	text, err := entry.metadata(to)
	if err != nil {
		return err
	}
	return s.add(entry.Path()+".metadata", text)
}

// link shares the file with the published site, if the bytes of the file are still right. Wheels of dist/ are copied
// instead: whoever writes to a shared file in dist/ would change the site.
func (s *site) link(entry Entry, to string) bool {
	from := filepath.Join(s.old, entry.Path())
	sum, err := digest.File(from)
	return err == nil && sum == entry.SHA256 && os.Link(from, to) == nil
}

// copyChecked copies a file that must still have the hash want.
func copyChecked(from, to, want string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if hex.EncodeToString(hash.Sum(nil)) != want {
		return fmt.Errorf("%s changed while it was read", from)
	}
	return nil
}

// addIndexes writes the pages of each channel, of the root, and of each project in them.
func (s *site) addIndexes() error {
	channels := map[string]map[string][]Entry{}
	list := func(dir string, entry Entry) {
		if channels[dir] == nil {
			channels[dir] = map[string][]Entry{}
		}
		channels[dir][entry.Project] = append(channels[dir][entry.Project], entry)
	}
	for _, entry := range s.entries {
		list(entry.Channel.Dir(), entry)
		if entry.Channel.IsUniversal() {
			list(RootDir, entry)
		}
	}
	for dir, projects := range channels {
		if err := s.addIndex(dir, projects); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) addIndex(dir string, projects map[string][]Entry) error {
	names := slices.Sorted(maps.Keys(projects))
	html, htmlErr := channelHTML(names)
	text, err := channelPEP691(names)
	if err := errors.Join(htmlErr, err, s.addPair(dir, html, text)); err != nil {
		return err
	}
	for name, entries := range projects {
		page := newProjectFiles(dir, s.url, name, entries)
		html, htmlErr := page.html()
		text, err := page.json()
		if err := errors.Join(htmlErr, err, s.addPair(path.Join(dir, name), html, text)); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) addPair(dir string, html, json []byte) error {
	return errors.Join(s.add(path.Join(dir, "index.html"), html), s.add(path.Join(dir, "index.json"), json))
}

func (s *site) writeSums() error { return writeFile(filepath.Join(s.dir, sums.File), s.sums.Text()) }

// carryOver keeps the files of the old site that sagebuild did not write, such as CNAME and .nojekyll.
func (s *site) carryOver() error {
	if _, err := os.Stat(filepath.Join(s.old, sums.File)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ours, err := sums.Read(s.old)
	if err != nil {
		return err
	}
	return filepath.WalkDir(s.old, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(s.old, file)
		if _, written := ours[filepath.ToSlash(name)]; err != nil || written || name == sums.File {
			return err
		}
		return carry(file, filepath.Join(s.dir, name))
	})
}

func carry(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Link(from, to)
}

// readable gives everybody the right to read a site: a web server is another user, and whoever publishes may have a
// umask that hides new files.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.Chmod(path, 0o755)
		case entry.Type().IsRegular():
			return os.Chmod(path, 0o644)
		}
		return nil
	})
}
