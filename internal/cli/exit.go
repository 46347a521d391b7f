package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// exit prints an error and maps it to the exit code of the process. It is the only place that does either.
func (a *App) exit(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	var child exitStatus
	if errors.As(err, &child) {
		return int(child)
	}
	err = classify(ctx, err)
	// What standard output does not take, such as that its disk is full, standard error says.
	if a.json && !errors.Is(err, errReported) && a.Console.JSON(jsonError(err)) == nil {
		return diag.ExitCode(err)
	}
	for _, e := range diag.All(err) {
		a.Console.Error(e.Error(), e.Hint)
	}
	return diag.ExitCode(err)
}

// classify gives a class to errors that arrive without one. A command that the user stopped is interrupted, whatever
// that broke; a full disk is the machine's, and so is a path that cannot be used. Only a run knows what an interruption
// left behind, and the run's own error says it.
func classify(ctx context.Context, err error) error {
	var known *diag.Error
	switch {
	case errors.As(err, &known) && known.Class == diag.Interrupted:
		return err
	case ctx.Err() != nil:
		return &diag.Error{Class: diag.Interrupted, Message: "interrupted"}
	case errors.Is(err, errReported):
		return err
	case diag.IsDiskFull(err):
		return &diag.Error{Class: diag.Environment, Message: "the disk is full", Err: err,
			Hint: "sagebuild clean, or --state DIR on a larger disk"}
	case known == nil:
		if path := refusedPath(err); path != "" {
			return &diag.Error{Class: diag.Environment, Err: err, Hint: diag.Command("namei", "-l", path)}
		}
	}
	return err
}

// refusals are how the system says that a path cannot be used: it is somebody else's, read-only, below a file, a
// directory where a file belongs, a link to itself, or too long.
var refusals = []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG}

// refusedPath is the path that the system does not let us use, or "". /proc says that a directory to be made is not
// there.
func refusedPath(err error) string {
	refused := slices.ContainsFunc(refusals, func(one error) bool { return errors.Is(err, one) })
	var at *fs.PathError
	var both *os.LinkError
	switch {
	case errors.As(err, &at) && (refused || at.Op == "mkdir" && errors.Is(err, fs.ErrNotExist)):
		return at.Path
	case errors.As(err, &both) && refused:
		return both.New
	}
	return ""
}

// errReported marks errors whose details the command itself has printed as part of its results.
var errReported = errors.New("see the results above")

// reported makes such an error.
func reported(class diag.Class, hint, format string, args ...any) error {
	return &diag.Error{Class: class, Hint: hint, Message: fmt.Sprintf(format, args...), Err: errReported}
}

type errorJSON struct {
	Error exitJSON `json:"error"`
}

type exitJSON struct {
	ExitCode int         `json:"exitCode"`
	Problems []errorItem `json:"problems"`
}

type errorItem struct {
	Message string      `json:"message"`
	Hint    string      `json:"hint,omitempty"`
	Range   *diag.Range `json:"range,omitempty"`
}

func jsonError(err error) errorJSON {
	result := exitJSON{ExitCode: diag.ExitCode(err)}
	for _, e := range diag.All(err) {
		result.Problems = append(result.Problems, errorItem{e.Error(), e.Hint, e.Range})
	}
	return errorJSON{result}
}
