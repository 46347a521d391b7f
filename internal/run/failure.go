package run

import (
	"errors"

	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

// fail gives a result its error, and its row the outcome and the details of it.
func (r *Result) fail(err error) {
	r.Err = err
	switch {
	case err == nil:
		return
	case errors.Is(err, ErrStopped):
		r.Row.Outcome = report.Skipped
		return
	}
	r.Row.Outcome = report.Failed
	if r.Row.Failure == nil {
		r.Row.Failure = &report.Failure{}
	}
	describe(r.Row.Failure, err)
}

// describe fills in a failure. A step's own output says more than the machine's trouble that it is blamed on.
func describe(failure *report.Failure, err error) {
	failure.Message = err.Error()
	var step *builder.StepError
	if errors.As(err, &step) {
		failure.Step, failure.Log, failure.Message = step.Step, step.Log, step.Err.Error()
	}
	var known *diag.Error
	if !errors.As(err, &known) {
		return
	}
	failure.Hint = known.Hint
	if step != nil {
		failure.Message = known.Message
	}
}
