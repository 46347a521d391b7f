package cli

import (
	"context"

	"github.com/sagebuild/sagebuild/internal/audit"
	"github.com/sagebuild/sagebuild/matrix"
)

// loadMatrix is matrix.Load that an interruption ends. A definition may be a pipe, such as <(…) of a shell.
func loadMatrix(ctx context.Context, path string) (*matrix.Matrix, error) {
	return interruptible(ctx, func() (*matrix.Matrix, error) { return matrix.Load(path) })
}

// loadPolicy is audit.LoadPolicy that an interruption ends.
func loadPolicy(ctx context.Context, path string) (*audit.Policy, error) {
	return interruptible(ctx, func() (*audit.Policy, error) { return audit.LoadPolicy(path) })
}

// interruptible returns when ctx ends, though do waits for somebody who writes into a pipe: no signal ends that wait, but
// the process does.
func interruptible[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
