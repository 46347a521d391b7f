package system

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// lock locks a file in the user's directory for temporary files that stands for the directory: Windows locks files
// alone, and a file inside could not be deleted with the directory. So it holds between processes of one user.
func lock(dir string, wait bool) (io.Closer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	name := sha256.Sum256([]byte(strings.ToLower(dir)))
	file := flock.New(filepath.Join(os.TempDir(), "sagebuild-"+hex.EncodeToString(name[:8])+".lock"))
	if wait {
		err = file.Lock()
	} else if locked, tried := file.TryLock(); tried != nil {
		err = tried
	} else if !locked {
		return nil, errors.Join(ErrBusy, file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), file.Close())
	}
	return file, nil
}
