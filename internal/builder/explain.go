package builder

import (
	"context"
	"errors"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// explain turns a failed solve into the error that helps most. It is the only place that judges a failed step.
func (c *connection) explain(ctx context.Context, request Request, rec *record, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := rec.failed()
	isStep := failed != nil && stepName.MatchString(failed.Name)
	if !isStep || diag.IsDiskFull(err) {
		if full := c.fullDisk(request, diag.IsDiskFull(err)); full != nil {
			return full
		}
	}
	if !isStep || mentionsCache(err) {
		if damage := c.findDamage(ctx, request, err); damage != nil {
			return damage
		}
	}
	if failed == nil {
		return &diag.Error{Class: diag.Failed, Err: errors.New(reason(err.Error()))}
	}
	return c.blame(&StepError{Step: shorten(failed.Name), Log: rec.log(failed.Digest), Err: errors.New(reason(failed.Error))})
}

// fullDisk asks the disks themselves: BuildKit's transfer of files sometimes loses the error on the way. Where the
// error told and nothing is full any more, it was the one with less room.
func (c *connection) fullDisk(request Request, told bool) error {
	place := request.place()
	if err := fullAt(place); err != nil {
		return err
	}
	if c.state != "" && (isFull(c.state) || told && free(c.state) <= free(place)) {
		return errDiskFull(c.state, nil)
	}
	if told {
		return environment(diag.Command("df", "-h", place), "the disk of %s is full", place)
	}
	return nil
}

// trouble is what a failed step's output says about the machine, where the step itself is not to blame.
type trouble struct {
	words         []string
	message, hint string
}

var troubles = []trouble{
	{[]string{"temporary failure in name resolution", "failed to lookup address", "could not resolve host", "name or service not known",
		"network is unreachable", "no route to host"}, "no network inside the build", "sagebuild doctor"},
	{[]string{"connection refused", "proxyerror", "cannot connect to proxy", "error sending request", "connection reset by peer",
		"service unavailable", "bad gateway", "from versions: none", "read timed out", "operation timed out"},
		"a package index or the proxy before it does not answer as it should", "sagebuild doctor"},
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
	if t, ok := endings[step.Err.Error()]; ok {
		return &diag.Error{Class: diag.Environment, Message: t.message, Hint: t.hint, Err: step}
	}
	return step
}

// endings are exit codes that no program of a step chooses: the kernel killed it, as it does where memory runs out, or
// runc itself was killed.
var endings = map[string]trouble{
	"exit code: 137":        {message: "a step was killed, most often because memory ran out", hint: "sagebuild bake --jobs 1"},
	"exit code: 4294967295": {message: "runc, which ran a step, was killed", hint: "dmesg | tail"},
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
