package index

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/durable"
	"github.com/sagebuild/sagebuild/internal/system"
)

// swap holds a directory in which the next site grows beside the present one.
type swap struct {
	output, aside string
	parent        io.Closer
}

// newSwap locks the directory above the site, so that one process publishes at a time, and removes what a killed
// process left behind.
func newSwap(output string) (*swap, error) {
	parent := filepath.Dir(output)
	if err := makeReadable(parent); err != nil {
		return nil, err
	}
	lock, err := system.TryLock(parent)
	if errors.Is(err, system.ErrBusy) {
		return nil, &diag.Error{Class: diag.Environment, Message: "another sagebuild index publishes to " + parent, Err: err,
			Hint: "run it again when that one has ended"}
	}
	if err != nil {
		return nil, err
	}
	s := &swap{output: output, aside: filepath.Join(parent, "."+filepath.Base(output)+".next"), parent: lock}
	if err := os.RemoveAll(s.aside); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// publish puts the new site in the place of the old one.
func (s *swap) publish() error { return durable.Replace(s.aside, s.output) }

// close removes the directory aside: the old site, or a new site that was not published.
func (s *swap) close() {
	_ = os.RemoveAll(s.aside)
	s.parent.Close()
}

// makeReadable makes a directory and those above it, and lets everybody into those that it makes.
func makeReadable(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeReadable(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Chmod(dir, 0o755)
}
