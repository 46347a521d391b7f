package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	var at *fs.PathError
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
	case known == nil && errors.As(err, &at) && isRefused(err):
		return &diag.Error{Class: diag.Environment, Err: err, Hint: diag.Command("namei", "-l", at.Path)}
	}
	return err
}

// isRefused is whether the system does not let us use a path: it is read-only, somebody else's, or below a file.
func isRefused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR)
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
