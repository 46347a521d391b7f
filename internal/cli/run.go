package cli

import (
	"context"
	"errors"
	"sync"
)

// errStopped is the error of a target that another target's failure stopped, or kept from starting.
var errStopped = errors.New("stopped, because another target failed")

// runAll calls do for every target, at most jobs at a time and started in order, and returns each one's error. Without
// keepGoing the first failure cancels the rest, whose error is then errStopped.
func runAll[T any](ctx context.Context, targets []T, jobs int, keepGoing bool, do func(context.Context, T) error) []error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	errs := make([]error, len(targets))
	slots := make(chan struct{}, jobs)
	var wait sync.WaitGroup
	for i, target := range targets {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			errs[i] = runOne(running, target, do)
			if errs[i] != nil && !keepGoing {
				stop(errStopped)
			}
		})
	}
	wait.Wait()
	return errs
}

// runOne replaces the error of a cancelled target by the reason of the cancellation.
func runOne[T any](ctx context.Context, target T, do func(context.Context, T) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := do(ctx, target)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
