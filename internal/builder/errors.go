package builder

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/system"
)

// StepError is a Dockerfile step that failed.
type StepError struct {
	Step string   // the step as the progress display names it
	Log  []string // its last lines of output, at most maxLogLines
	Err  error    // how it ended
}

// Error is one line; the log is for the caller to show.
func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

// Unwrap gives how the step ended.
func (e *StepError) Unwrap() error { return e.Err }

func environment(hint, format string, args ...any) *diag.Error {
	return &diag.Error{Message: fmt.Sprintf(format, args...), Hint: hint, Class: diag.Environment}
}

func errNoRoot() error {
	return environment("sudo -E sagebuild doctor", "the embedded builder needs root, for overlay mounts and containers")
}

func errNoRunc() error {
	return environment("apt-get install --yes runc", "the embedded builder needs runc, and it is not in PATH")
}

func errNoOverlay(root string, err error) error {
	e := environment("sagebuild bake --state DIR", "the file system of the state directory %s cannot carry overlay mounts; ext4, xfs and tmpfs can", root)
	e.Err = err
	return e
}

func errDiskFull(dir string, err error) error {
	e := environment("sagebuild clean --all, or --state DIR on a larger disk", "the disk of the state directory %s is full", dir)
	e.Err = err
	return e
}

func errDamagedCache(message string, err error) error {
	return &diag.Error{Class: diag.Environment, Message: message, Err: err, Hint: "sagebuild clean --all"}
}

func errUnreachable(address string, err error) error {
	hint := "docker buildx ls"
	if strings.Contains(address, "://") {
		hint = diag.Command("buildctl", "--addr", address, "debug", "info")
	}
	e := environment(hint, "cannot reach the builder %s", address)
	e.Err = errors.New(reason(err.Error()))
	return e
}

// stateError classifies an error of opening the state directory root.
func stateError(root string, err error) error {
	if diag.IsDiskFull(err) {
		return errDiskFull(root, nil)
	}
	e := environment("sagebuild doctor", "cannot use the state directory %s", root)
	e.Err = err
	return e
}

// fullAt says that nothing can be written at path, or nil.
func fullAt(path string) error {
	switch room, err := system.RoomAt(path); {
	case err != nil:
		return nil // not there, and so not what is full
	case isFull(path):
		return environment(diag.Command("df", "-h", path), "the disk of %s is full", path)
	case room.NoInodes:
		return environment(diag.Command("df", "-i", path), "the file system of %s has no inode left", path)
	}
	return nil
}

// isFull says whether less is free at path than a step or an export would write.
func isFull(path string) bool { return free(path) < 1<<20 }

// free is the number of bytes that an unprivileged user could still write at path.
func free(path string) uint64 {
	room, err := system.RoomAt(path)
	if err != nil {
		return math.MaxUint64 // a path that is not there fills no disk
	}
	return room.Bytes
}
