package base

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/durable"
	"github.com/sagebuild/sagebuild/matrix"
)

// MirrorVariable names the environment variable with a Debian mirror's URL. Open reads it.
const MirrorVariable = "SAGEBUILD_DEBIAN_MIRROR"

// recipe is part of every cache key: change it when the code makes other trees from the same lock.
const recipe = "3"

// Store makes layouts and keeps them in a state directory.
type Store struct {
	State string // state directory; layouts live in its bases directory
	Lock  *Lock
	// Mirror is the URL of a Debian mirror; empty is mmdebstrap's own choice.
	Mirror string
	// Progress receives one line for each layout that has to be made; nil is silence.
	Progress io.Writer
}

// Layout is an image of one layer in an OCI layout directory.
type Layout struct {
	Dir    string // absolute
	Digest string // of the image's manifest, sha256:…
}

// Context is the layout as the value of a named build context.
func (l Layout) Context() string { return "oci-layout://" + l.Dir + "@" + l.Digest }

// Base returns the Debian root, bootstrapping it when the state directory does not hold the one that the lock
// describes.
func (s *Store) Base(ctx context.Context) (Layout, error) {
	return s.root(ctx, "base", &s.Lock.Base)
}

// root returns the Debian root of a.
func (s *Store) root(ctx context.Context, name string, a *Archive) (Layout, error) {
	wanted := s.wanted(name, s.key(a.keyParts()...))
	return s.layout(ctx, wanted, func(ctx context.Context, work string) (string, error) {
		return s.bootstrap(ctx, work, a, s.lockedPackages(a))
	})
}

// Python returns the interpreter of a version (its first two numbers count) as a tree below /usr/local.
func (s *Store) Python(ctx context.Context, version matrix.Version) (Layout, error) {
	p, err := s.Lock.python(version)
	if err != nil {
		return Layout{}, err
	}
	wanted := s.wanted("python"+p.Version, s.key(p.Version, p.Tree))
	return s.layout(ctx, wanted, func(ctx context.Context, work string) (string, error) {
		return s.pythonTar(ctx, work, p)
	})
}

// pythonTar makes the layer of an interpreter and compares it with its pin.
func (s *Store) pythonTar(ctx context.Context, work string, p *Python) (path string, err error) {
	if p.Module != nil {
		path, _, err = s.modulePython(ctx, work, s.ownLayer(p, lockedSum(p)))
	} else {
		path, err = s.debianPython(ctx, work, p, s.lockedPackages(p.Debian))
	}
	if err != nil {
		return "", err
	}
	return path, checkTree(p, path)
}

// ownLayer is an interpreter of the platform that builds.
func (s *Store) ownLayer(p *Python, check sumCheck) moduleLayer {
	return moduleLayer{Module: p.Module, machine: "linux-" + s.Lock.Architecture, check: check}
}

// checkTree compares the layer of an interpreter with its pin.
func checkTree(p *Python, path string) error {
	sum, err := digest.File(path)
	if err != nil {
		return err
	}
	if "sha256:"+sum != p.Tree {
		return changed(p.TreeAt, "python %s came out as sha256:%s, not as locked", p.Version, sum)
	}
	return nil
}

// key is a short hash of everything that decides a layout.
func (s *Store) key(parts ...string) string {
	parts = append(parts, recipe, s.Lock.Architecture, fmt.Sprint(s.Lock.Epoch))
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// wanted is a layout to make or to find: its name, the key of everything that decides its content, and the
// architecture that its image says it is for.
type wanted struct{ name, key, architecture string }

func (s *Store) wanted(name, key string) wanted { return wanted{name, key, s.Lock.Architecture} }

// layout returns the layout name-key of the state directory. When it is not there yet, create writes a layer's tar
// file into a working directory and returns its path; processes that want the same layout wait for one another.
func (s *Store) layout(ctx context.Context, w wanted, create func(context.Context, string) (string, error)) (Layout, error) {
	bases, err := filepath.Abs(filepath.Join(s.State, "bases"))
	if err != nil {
		return Layout{}, err
	}
	dir := filepath.Join(bases, w.name+"-"+w.key)
	if l, err := readLayout(dir); err == nil {
		return l, nil
	}
	if err := s.usable(); err != nil {
		return Layout{}, err
	}
	unlock, err := lockName(ctx, bases, w.name)
	if err != nil {
		return Layout{}, err
	}
	defer unlock()
	// Another process may have made it while this one waited.
	if l, err := readLayout(dir); err == nil {
		return l, nil
	}
	return s.make(ctx, bases, w, dir, create)
}

// workSuffix ends the name of the directory in which a layout is made; the layout's name begins it.
const workSuffix = "-work"

func layoutOf(work string) string { return strings.TrimSuffix(filepath.Base(work), workSuffix) }

func (s *Store) make(ctx context.Context, bases string, w wanted, dir string, create func(context.Context, string) (string, error)) (_ Layout, err error) {
	work := filepath.Join(bases, w.name+workSuffix)
	if err := os.RemoveAll(work); err != nil {
		return Layout{}, fmt.Errorf("removing what a killed run left: %w", err)
	}
	// Earlier layouts of this name, damaged ones too.
	if err := removeAll(filepath.Join(bases, w.name+"-*")); err != nil {
		return Layout{}, err
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return Layout{}, stateError(bases, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	started := time.Now()
	s.say("%s: making it from packages", w.name)
	tar, err := create(ctx, work)
	if err != nil {
		return Layout{}, stateError(bases, err)
	}
	made := filepath.Join(work, "layout")
	if err := writeLayout(made, tar, w.architecture, s.Lock.Epoch); err != nil {
		return Layout{}, stateError(bases, err)
	}
	if err := publish(made, dir); err != nil {
		return Layout{}, stateError(bases, err)
	}
	s.say("%s: made in %.0f s", w.name, time.Since(started).Seconds())
	return readLayout(dir)
}

// publish moves a layout to where runs look for it. It is on disk before, so that a power cut leaves none by half.
func publish(made, dir string) error {
	if err := durable.Tree(made); err != nil {
		return err
	}
	if err := os.Rename(made, dir); err != nil {
		return err
	}
	return durable.Path(filepath.Dir(dir))
}

func (s *Store) say(format string, args ...any) {
	if s.Progress != nil {
		fmt.Fprintf(s.Progress, format+"\n", args...)
	}
}

// usable says whether this machine can make the lock's layouts.
func (s *Store) usable() error {
	is, want := runtime.GOOS+"/"+runtime.GOARCH, "linux/"+s.Lock.Architecture
	if is == want {
		return nil
	}
	return &diag.Error{Class: diag.Environment, Hint: "sagebuild bake --base IMAGE --python-image IMAGE",
		Message: fmt.Sprintf("the lock is for %s and this machine is %s", want, is)}
}

// lockName waits for other processes that make the layout name.
func lockName(ctx context.Context, bases, name string) (func(), error) {
	if err := os.MkdirAll(bases, 0o700); err != nil {
		return nil, stateError(bases, err)
	}
	lock := flock.New(filepath.Join(bases, name+".lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

func removeAll(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}
