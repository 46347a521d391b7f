//go:build linux

package builder

import (
	"errors"
	"os"
	"path/filepath"
)

// temporaryDir receives, below the engine's root, the temporary files of this process and of BuildKit, which names no
// other place for them than TMPDIR. What a killed run leaves there is swept with the rest.
const temporaryDir = "tmp"

// useTemporaries makes it this process's directory for temporary files until restore is called.
func useTemporaries(root string) (restore func() error, err error) {
	dir := filepath.Join(root, temporaryDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	before, isSet := os.LookupEnv("TMPDIR")
	restore = func() error {
		err := os.Unsetenv("TMPDIR")
		if isSet {
			err = os.Setenv("TMPDIR", before)
		}
		return errors.Join(err, os.RemoveAll(dir))
	}
	return restore, os.Setenv("TMPDIR", dir)
}
