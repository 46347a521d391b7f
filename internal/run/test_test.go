package run

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/report"
)

const (
	noCases     = `<testsuites><testsuite/></testsuites>`
	passedCases = `<testsuites><testsuite><properties><property name="torch" value="2.8.0"/></properties>
<testcase classname="test_a" name="one"/><testcase classname="test_a" name="two"><skipped/></testcase></testsuite></testsuites>`
	skippedCases = `<testsuites><testsuite><testcase classname="test_a" name="two"><skipped/></testcase></testsuite></testsuites>`
	failedCases  = `<testsuites><testsuite><testcase classname="test_a" name="one"/>
<testcase classname="test_a" name="two"><failure message="1 != 2"/></testcase></testsuite></testsuites>`
)

// The exit code and the JUnit file must agree: either alone could hide a failure.
func TestJudge(t *testing.T) {
	for _, test := range []struct{ name, code, results, want string }{
		{"passed", "0\n", passedCases, ""},
		{"failed", "1\n", failedCases, "1 of 2 tests failed on torch 2.8.0, Python 3.12"},
		{"failed, says only the file", "0\n", failedCases, "1 of 2 tests failed"},
		{"failed, says only the code", "3\n", passedCases, "pytest ended with exit code 3, though no test failed"},
		{"all skipped", "0\n", skippedCases, "no test passed: all were skipped"},
		{"no test", "5\n", noCases, "exit code 5"},
		{"no exit code", "", passedCases, "the tests left no exit code"},
		{"no results", "2\n", "", "pytest ended with exit code 2: "},
		{"half the results", "137\n", passedCases[:100], "pytest ended with exit code 137: "},
	} {
		dir := t.TempDir()
		if test.code != "" {
			writeFile(t, filepath.Join(dir, "exit-code"), test.code)
		}
		if test.results != "" {
			writeFile(t, filepath.Join(dir, "junit.xml"), test.results)
		}
		var row report.Row
		err := judge(dir, bake.Target{Torch: "2.8.0", Python: "3.12"}, &row)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if test.name == "passed" && (*row.Tests != report.TestCount{Passed: 1, Skipped: 1} || row.Versions["torch"] != "2.8.0") {
			t.Errorf("%s: row %+v, %+v", test.name, row, row.Tests)
		}
		if test.name == "failed" && (len(row.Failure.Log) != 1 || !strings.Contains(row.Failure.Log[0], "1 != 2")) {
			t.Errorf("%s: failure %+v", test.name, row.Failure)
		}
	}
}
