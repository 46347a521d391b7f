package cli

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

var errBroken = errors.New("broken")

func TestRunAllStopsAtTheFirstFailure(t *testing.T) {
	var started atomic.Int32
	running := make(chan struct{})
	errs := runAll(context.Background(), []string{"a", "broken", "b", "c"}, 2, false, func(ctx context.Context, name string) error {
		started.Add(1)
		if name == "broken" {
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
	for i, want := range []error{errStopped, errBroken, errStopped, errStopped} {
		if !errors.Is(errs[i], want) {
			t.Errorf("target %d: %v; want %v", i, errs[i], want)
		}
	}
}

func TestRunAllKeepsGoing(t *testing.T) {
	var done atomic.Int32
	errs := runAll(context.Background(), []string{"broken", "a", "b"}, 1, true, func(_ context.Context, name string) error {
		if name == "broken" {
			return errBroken
		}
		done.Add(1)
		return nil
	})
	if done.Load() != 2 || !errors.Is(errs[0], errBroken) || errs[1] != nil || errs[2] != nil {
		t.Errorf("%d done, errors %v", done.Load(), errs)
	}
}

func TestRunAllReportsTheInterruption(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	errs := runAll(ctx, []string{"a", "b"}, 1, true, func(ctx context.Context, _ string) error {
		cancel()
		return errors.New("connection lost")
	})
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("target %d: %v; want the cancellation", i, err)
		}
	}
}

func TestRunAllLimitsJobs(t *testing.T) {
	var now, most atomic.Int32
	runAll(context.Background(), make([]int, 50), 3, false, func(context.Context, int) error {
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
