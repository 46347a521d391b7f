package builder

import (
	"errors"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// A step that failed because of the machine is an error of the machine, and still tells which step it was.
func TestBlame(t *testing.T) {
	embedded, remote := &connection{state: "/state"}, &connection{}
	for _, test := range []struct {
		name, log     string
		on            *connection
		message, hint string // empty where the step itself is to blame
	}{
		{"a plain failure", "error: expected ';'", embedded, "", ""},
		{"full state", "write: No space left on device", embedded, "the disk of the state directory /state is full", "sagebuild clean"},
		{"full builder", "OSError: [Errno 28] No space left on device", remote, "the disk of the builder is full", "docker buildx prune"},
		{"no names", "Could not resolve host: example.org", embedded, "no network inside the build", "sagebuild doctor"},
		{"no route", "dns error: failed to lookup address information", remote, "no network inside the build", "sagebuild doctor"},
		{"closed proxy", "error: error sending request for url (https://index.example/simple/uv/)", embedded,
			"a package index or the proxy before it does not answer as it should", "sagebuild doctor"},
		{"index of nothing", "ERROR: Could not find a version that satisfies the requirement uv (from versions: none)", embedded,
			"a package index or the proxy before it does not answer as it should", "sagebuild doctor"},
		{"certificate", "invalid peer certificate: UnknownIssuer", embedded, "a certificate is not trusted inside the build",
			"export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
	} {
		step := &StepError{Step: "[uv 2/2] RUN pip", Log: []string{"working", test.log}, Err: errors.New("exit code: 1")}
		err := test.on.blame(step)
		var same *StepError
		if !errors.As(err, &same) || same != step {
			t.Errorf("%s: %v lost its step", test.name, err)
		}
		var known *diag.Error
		if !errors.As(err, &known) {
			known = &diag.Error{}
		}
		if known.Message != test.message || !strings.HasPrefix(known.Hint, test.hint) || errors.Is(err, diag.Environment) != (test.message != "") {
			t.Errorf("%s: %q, hint %q; want %q, %q", test.name, known.Message, known.Hint, test.message, test.hint)
		}
	}
}

// Nobody's program chose these exit codes.
func TestKilledStep(t *testing.T) {
	for code, want := range map[string]string{"exit code: 137": "memory", "exit code: 4294967295": "runc"} {
		err := (&connection{}).blame(&StepError{Step: "RUN compile", Err: errors.New(code)})
		if !errors.Is(err, diag.Environment) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want that it names %s", code, err, want)
		}
	}
}
