//go:build linux

package builder

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// workerDir is where BuildKit's worker keeps its state, below the engine's root.
const workerDir = "runc-overlayfs"

// databases are BuildKit's, below the engine's root. Its history of builds is not among them: nothing is kept in it.
var databases = []string{
	"cache.db",
	workerDir + "/containerdmeta.db",
	workerDir + "/metadata_v2.db",
	workerDir + "/snapshots/metadata.db",
}

// sealed are the files that a seal is about.
var sealed = append([]string{workerDir + "/workerid"}, databases...)

// historyFile is BuildKit's record of builds. Each engine starts with an empty one.
const historyFile = "history.db"

// sealFile holds the hashes of the sealed files as an orderly end left them, in the format of sha256sum. An engine
// breaks the seal before it opens them, so what differs from a seal was changed by nobody who may.
const sealFile = "seal"

// seal notes the hashes. The databases must be closed.
func seal(root string) error {
	var text bytes.Buffer
	for _, name := range sealed {
		sum, err := sumOf(root, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(root, sealFile), text.Bytes(), 0o600)
}

// sumOf is a file's hash. A run that built nothing made only some of the files.
func sumOf(root, name string) (string, error) {
	sum, err := digest.File(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "absent", nil
	}
	return sum, err
}

// isSealed says whether an orderly end left the databases, or none ever were.
func isSealed(root string) bool {
	return !isEmpty(filepath.Join(root, sealFile)) || isEmpty(filepath.Join(root, "cache.db"))
}

// breakSeal is on disk before it returns: a seal that came back after a power cut would belie what was written since.
func breakSeal(root string) error {
	if err := os.Remove(filepath.Join(root, sealFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// damageError says what is wrong with BuildKit's state.
type damageError struct{ what string }

func damaged(format string, args ...any) error { return &damageError{fmt.Sprintf(format, args...)} }

// Error implements error.
func (e *damageError) Error() string { return e.what }

// checkDatabases returns a damageError where BuildKit could not work with the databases below root. Those that carry a
// seal must match it; after a killed run, which leaves none, their structure is checked.
func checkDatabases(ctx context.Context, root string) error {
	text, err := os.ReadFile(filepath.Join(root, sealFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return damaged("%v", err)
	}
	if len(text) > 0 {
		return matchSeal(root, string(text))
	}
	for _, name := range databases {
		if err := checkApart(ctx, filepath.Join(root, name), filepath.Base(name)); err != nil {
			return err
		}
	}
	return nil
}

func matchSeal(root, text string) error {
	wanted := map[string]string{}
	for line := range strings.Lines(text) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		wanted[name] = sum
	}
	for _, name := range sealed {
		sum, err := sumOf(root, name)
		if err != nil {
			return damaged("%v", err)
		}
		if sum != wanted[name] {
			return damaged("%s is not as the last run left it", name)
		}
	}
	return nil
}

// checkVariable names the environment variable that makes a process check one database, or what the databases below a
// root list, and end.
const checkVariable = "SAGEBUILD_CHECK_STATE"

func init() {
	if path := os.Getenv(checkVariable); path != "" {
		os.Exit(checkProcess(path))
	}
}

// What a check may take of the processor and of memory, whatever bbolt makes of a damaged database. A sound one of a
// gigabyte takes a few seconds and 50 MB.
const (
	checkSeconds = 60
	checkBytes   = 1 << 30
)

func checkProcess(path string) int {
	check := checkDatabase
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		check = func(root string) error { return checkListed(context.Background(), root) }
	}
	err := errors.Join(limit(unix.RLIMIT_CPU, checkSeconds), limit(unix.RLIMIT_DATA, checkBytes))
	if err == nil {
		err = check(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// checkDatabase checks a database and writes it anew. One that the system lets nobody write stays as it is.
func checkDatabase(path string) error {
	if err := checkStructure(path); err != nil {
		return err
	}
	if err := rewrite(path); err != nil && !isOfSystem(err) {
		return err
	}
	return nil
}

func limit(resource int, most uint64) error {
	return unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most})
}

// checkApart is checkProcess in a process of its own; name says in its damageError what was checked. A damaged database
// can end the process that reads it: a page beyond the end of a file that is mapped into memory is a signal, and bbolt
// panics in goroutines that nobody can guard.
func checkApart(ctx context.Context, path, name string) error {
	if isEmpty(path) {
		return nil // the run was killed before it wrote; bbolt starts such a file anew
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), checkVariable+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stderr = &said
	err = cmd.Run()
	if ended := new(exec.ExitError); ctx.Err() == nil && errors.As(err, &ended) {
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return damaged("%s: %s", name, cmp.Or(line, ended.Error()))
	}
	return errors.Join(ctx.Err(), err)
}

// checkStructure is bbolt's own check, that every page is free or reachable once and that keys are in order, and reads
// all keys and values, of which that check leaves small buckets out.
func checkStructure(path string) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return err
	}
	return db.View(func(tx *bolt.Tx) error {
		if info, err := os.Stat(path); err != nil || info.Size() < tx.Size() {
			return errors.Join(err, fmt.Errorf("it should have %s and lacks its end", ui.Count(tx.Size(), "byte")))
		}
		if err := checkExtents(tx); err != nil {
			return err
		}
		for err := range tx.Check() {
			return err // the process ends, and the goroutine that checks with it
		}
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error { return readBucket(b) })
	})
}

// checkExtents is an error where a page in use claims to go on beyond the end of the database: bbolt's check notes each
// page of such a claim, and a flipped bit makes it billions.
func checkExtents(tx *bolt.Tx) error {
	pages := int(tx.Size()) / tx.DB().Info().PageSize
	for id := 0; id < pages; id++ {
		page, err := tx.Page(id)
		if err != nil || page == nil {
			return errors.Join(err, fmt.Errorf("page %d cannot be read", id))
		}
		if page.Type == "free" {
			continue // what it says is not true any more
		}
		if page.OverflowCount >= pages-id {
			return fmt.Errorf("page %d goes on beyond the end", id)
		}
		id += page.OverflowCount
	}
	return nil
}

func readBucket(b *bolt.Bucket) error {
	hash := sha256.New() // touches every byte
	return b.ForEach(func(key, value []byte) error {
		hash.Write(key)
		hash.Write(value)
		if inner := b.Bucket(key); value == nil && inner != nil {
			return readBucket(inner)
		}
		return nil
	})
}
