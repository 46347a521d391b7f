package run

import (
	"errors"

	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

// fail gives a result its error, and the result's row the outcome and the details.
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

// describe fills in a failure from its error. Where the machine is to blame for a failed step, the message names the
// trouble of the machine; the step and its last lines stay.
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
