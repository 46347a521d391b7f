package junit

import (
	"reflect"
	"strings"
	"testing"
)

const pytest = `<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="1" time="12.345">
<properties><property name="torch" value="2.8.0"/><property name="python" value="3.12.3"/></properties>
<testcase classname="tests.test_import" name="test_import" time="0.5"/>
<testcase classname="tests.test_import" name="test_gpu" time="0"><skipped type="pytest.skip" message="no GPU"/></testcase>
<testcase classname="tests.test_fatbin" name="test_sms[9.0]" time="0.1"><failure message="AssertionError: 9.0 is missing&#10;more">trace
back</failure></testcase>
<testcase classname="" name="tests/test_broken.py" time="0"><error>

ImportError: no module
</error></testcase>
<testcase classname="" name="tests.test_more" time="0"><error message="collection failure">tests/test_more.py:3: in &lt;module&gt;
E     File "more.py", line 1
E   IndexError: 3</error></testcase>
</testsuite></testsuites>`

func TestParse(t *testing.T) {
	got, err := Parse(strings.NewReader(pytest))
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Tests: 5, Passed: 1, Failed: 3, Skipped: 1, Seconds: 12.345,
		Properties: map[string]string{"torch": "2.8.0", "python": "3.12.3"},
		Failures: []Failure{
			{"tests.test_fatbin.test_sms[9.0]", "AssertionError: 9.0 is missing"},
			{"tests/test_broken.py", "ImportError: no module"},
			{"tests.test_more", "collection failure: IndexError: 3"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty file":     "",
		"cut off":        pytest[:len(pytest)/2],
		"another format": "<html><testcase name='x'/></html>",
		"no test":        `<testsuites><testsuite name="pytest" tests="7"/></testsuites>`,
	} {
		if report, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s: got %+v; want an error", name, report)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(pytest)
	f.Add("<testsuite><testcase name='a'/></testsuite>")
	f.Fuzz(func(t *testing.T, text string) {
		report, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		if report.Tests != report.Passed+report.Failed+report.Skipped || report.Failed != len(report.Failures) {
			t.Errorf("counts do not add up: %+v", report)
		}
	})
}
