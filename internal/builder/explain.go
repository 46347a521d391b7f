package builder

import (
	"context"
	"errors"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// explain turns a failed solve into the error that helps most. It is the only place that judges a failed step.
func (c *connection) explain(ctx context.Context, request Request, rec *record, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case diag.IsDiskFull(err) && (c.state == "" || free(request.Output) < free(c.state)):
		return environment("df -h "+request.Output, "the disk of %s is full", request.Output)
	case diag.IsDiskFull(err):
		return errDiskFull(c.state, nil)
	}
	failed := rec.failed()
	if failed == nil {
		return &diag.Error{Class: diag.Failed, Err: errors.New(reason(err.Error()))}
	}
	return c.blame(&StepError{Step: shorten(failed.Name), Log: rec.log(failed.Digest), Err: errors.New(reason(failed.Error))})
}

// trouble is what a failed step's output says about the machine, where the step itself is not to blame.
type trouble struct {
	words         []string
	message, hint string
}

var troubles = []trouble{
	{[]string{"temporary failure in name resolution", "failed to lookup address", "could not resolve host", "name or service not known",
		"network is unreachable", "no route to host"}, "no network inside the build", "sagebuild doctor"},
	{[]string{"certificate verify failed", "invalid peer certificate"}, "a certificate is not trusted inside the build",
		"export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
}

// blame makes a step's failure one of the machine where the step's output says so.
func (c *connection) blame(step *StepError) error {
	log := strings.ToLower(strings.Join(step.Log, "\n"))
	if diag.SaysDiskFull(log) {
		return c.errDiskFull(step)
	}
	for _, t := range troubles {
		for _, words := range t.words {
			if strings.Contains(log, words) {
				return &diag.Error{Class: diag.Environment, Message: t.message, Hint: t.hint, Err: step}
			}
		}
	}
	return step
}

// errDiskFull is about the disk that holds a step's files: the disk of the state directory, or that of a builder
// elsewhere.
func (c *connection) errDiskFull(step *StepError) error {
	if c.state != "" {
		return errDiskFull(c.state, step)
	}
	return &diag.Error{Class: diag.Environment, Message: "the disk of the builder is full", Hint: "docker buildx prune", Err: step}
}

const maxStepName = 160

// shorten fits a step's name, which may hold a whole script, in one line.
func shorten(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxStepName {
		return string(runes[:maxStepName-1]) + "…"
	}
	return name
}

// reason is the part of BuildKit's text that says how a command ended: the text before it repeats the command. Other
// texts lose only BuildKit's prefix.
func reason(text string) string {
	if i := strings.LastIndex(text, "did not complete successfully: "); i >= 0 {
		text = text[i+len("did not complete successfully: "):]
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(text, "failed to solve: "), "\n")
	return line
}
