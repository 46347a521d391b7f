package cli

import (
	"errors"
	"strings"

	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

// setFailure gives a row the outcome and the details of its error.
func setFailure(row *report.Row, err error) {
	switch {
	case err == nil:
		return
	case errors.Is(err, errStopped):
		row.Outcome = report.Skipped
		return
	}
	row.Outcome = report.Failed
	if row.Failure == nil {
		row.Failure = &report.Failure{}
	}
	failure := row.Failure
	failure.Message = err.Error()
	var step *builder.StepError
	if errors.As(err, &step) {
		failure.Step, failure.Log, failure.Message = step.Step, step.Log, step.Err.Error()
	}
	var known *diag.Error
	if errors.As(err, &known) {
		failure.Hint = known.Hint
		if step != nil {
			failure.Message = known.Message
		}
	}
}

// trouble is what a failed step's output says about the machine, where the step itself is not to blame.
type trouble struct {
	words         []string
	message, hint string
}

var troubles = []trouble{
	{[]string{"no space left on device"}, "the disk is full", "sagebuild clean, or --state DIR on a larger disk"},
	{[]string{"temporary failure in name resolution", "failed to lookup address", "could not resolve host", "name or service not known",
		"network is unreachable", "no route to host"}, "no network inside the build", "sagebuild doctor"},
	{[]string{"certificate verify failed", "invalid peer certificate"}, "a certificate is not trusted inside the build",
		"export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
}

// blameMachine makes a step's failure one of the machine where its output says so.
func blameMachine(err error) error {
	var step *builder.StepError
	if !errors.As(err, &step) {
		return err
	}
	log := strings.ToLower(strings.Join(step.Log, "\n"))
	for _, t := range troubles {
		for _, words := range t.words {
			if strings.Contains(log, words) {
				return &diag.Error{Class: diag.Environment, Message: t.message, Hint: t.hint, Err: err}
			}
		}
	}
	return err
}
