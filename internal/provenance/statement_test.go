package provenance

import (
	"strings"
	"testing"
)

const sample = `{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://slsa.dev/provenance/v1",` +
	`"subject":[{"name":"a.whl","digest":{"sha256":"00ff"}}],"predicate":{}}`

func TestStatement(t *testing.T) {
	for _, test := range []struct{ name, text, file, sum, problem string }{
		{"good", sample, "a.whl", "00ff", ""},
		{"not JSON", "PK", "a.whl", "00ff", "no JSON"},
		{"older predicate", strings.Replace(sample, "provenance/v1", "provenance/v0.2", 1), "a.whl", "00ff", "provenance/v0.2"},
		{"other statement", strings.Replace(sample, "Statement/v1", "Statement/v0.1", 1), "a.whl", "00ff", "Statement/v0.1"},
		{"other file", sample, "b.whl", "00ff", "a.whl"},
		{"other bytes", sample, "a.whl", "00fe", "this one has 00fe"},
		{"more files", strings.Replace(sample, `[{`, `[{"name":"b.whl"},{`, 1), "a.whl", "00ff", "alone"},
		{"no file", strings.Replace(sample, `"name":"a.whl","digest":{"sha256":"00ff"}`, "", 1), "a.whl", "00ff", "alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CheckStatement([]byte(test.text), test.file, test.sum)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error is %v, want %q", err, test.problem)
			}
		})
	}
}
