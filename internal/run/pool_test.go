package run

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

var errBroken = errors.New("broken")

func TestPoolStopsAtTheFirstFailure(t *testing.T) {
	var started atomic.Int32
	running := make(chan struct{})
	const broken = 1
	errs := pool{jobs: 2}.each(context.Background(), 4, func(ctx context.Context, i int) error {
		started.Add(1)
		if i == broken {
			<-running
			return errBroken
		}
		close(running)
		<-ctx.Done() // ends only because it is cancelled
		return ctx.Err()
	})
	if started.Load() != 2 {
		t.Errorf("%d targets started, want the 2 before the failure", started.Load())
	}
	for i, want := range []error{ErrStopped, errBroken, ErrStopped, ErrStopped} {
		if !errors.Is(errs[i], want) {
			t.Errorf("target %d: %v; want %v", i, errs[i], want)
		}
	}
}

func TestPoolKeepsGoing(t *testing.T) {
	var done atomic.Int32
	errs := pool{jobs: 1, keepGoing: true}.each(context.Background(), 3, func(_ context.Context, i int) error {
		if i == 0 {
			return errBroken
		}
		done.Add(1)
		return nil
	})
	if done.Load() != 2 || !errors.Is(errs[0], errBroken) || errs[1] != nil || errs[2] != nil {
		t.Errorf("%d done, errors %v", done.Load(), errs)
	}
}

func TestPoolReportsTheInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	errs := pool{jobs: 1, keepGoing: true}.each(ctx, 2, func(context.Context, int) error {
		cancel()
		return errors.New("connection lost")
	})
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("target %d: %v; want the cancellation", i, err)
		}
	}
}

func TestPoolLimitsJobs(t *testing.T) {
	var now, most atomic.Int32
	pool{jobs: 3}.each(context.Background(), 50, func(context.Context, int) error {
		running := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); running > old && !most.CompareAndSwap(old, running); old = most.Load() {
		}
		return nil
	})
	if most.Load() > 3 {
		t.Errorf("%d targets ran at a time, want at most 3", most.Load())
	}
}
