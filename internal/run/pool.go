package run

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// ErrStopped is the error of a target that another target's failure stopped, or kept from starting.
var ErrStopped = errors.New("stopped, because another target failed")

// pool does many things, jobs at a time. Without keepGoing the first failure cancels the rest.
type pool struct {
	jobs      int
	keepGoing bool
}

// each calls do for every number below count, in order, and returns the error of each call. A call that was
// cancelled, or never made, has the reason as its error: ErrStopped after another's failure.
func (p pool) each(ctx context.Context, count int, do func(context.Context, int) error) []error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	errs := make([]error, count)
	var group errgroup.Group
	group.SetLimit(p.jobs)
	for i := range count {
		group.Go(func() error {
			errs[i] = unlessCancelled(running, func() error { return do(running, i) })
			if errs[i] != nil && !p.keepGoing {
				stop(ErrStopped)
			}
			return nil // one failure must not hide the others
		})
	}
	_ = group.Wait()
	return errs
}

// unlessCancelled replaces the error of a call that was cancelled by the reason of the cancellation.
func unlessCancelled(ctx context.Context, do func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := do()
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
