package report

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

var baked = Summary{Command: "bake", Seconds: 71.5, Rows: []Row{
	{Target: "one", Outcome: Built, Wheel: "dist/one.whl", Size: 7_030_000, SMs: []matrix.SM{{Major: 7}, {Major: 12, Minor: 1}}, Seconds: 65.31},
	{Target: "another", Outcome: Failed, Seconds: 6.2, Failure: &Failure{
		Step: "[kernels-sm90 3/3] RUN python3", Message: "exit code 1", Log: []string{"error: no type named int9", "1 error"},
		Hint: "sagebuild bake another --progress plain",
	}},
	{Target: "third", Outcome: Skipped},
}}

func TestSummaryText(t *testing.T) {
	var out strings.Builder
	if err := baked.WriteText(&out, false); err != nil {
		t.Fatal(err)
	}
	want := `target   result      size  seconds  SMs       wheel
one      built    7.03 MB     65.3  7.0 12.1  dist/one.whl
another  failed         -      6.2  -         -
third    skipped        -      0.0  -         -

another: exit code 1
  step: [kernels-sm90 3/3] RUN python3
  | error: no type named int9
  | 1 error
  hint: sagebuild bake another --progress plain
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if baked.Failures() != 1 {
		t.Errorf("%d failures", baked.Failures())
	}
}

func TestTestSummaryText(t *testing.T) {
	summary := Summary{Command: "test", Rows: []Row{
		{Target: "test-one", Outcome: Passed, Seconds: 12, Results: "dist/test-results/one/junit.xml", Tests: &TestCount{Passed: 80, Skipped: 2},
			Versions: map[string]string{"torch": "2.8.0", "python": "CPython 3.12.3"}},
		{Target: "test-two", Outcome: Failed, Seconds: 1},
	}}
	var out strings.Builder
	if err := summary.WriteText(&out, false); err != nil {
		t.Fatal(err)
	}
	want := `target    result  passed  failed  skipped  seconds  torch  python          JUnit
test-one  passed      80       0        2     12.0  2.8.0  CPython 3.12.3  dist/test-results/one/junit.xml
test-two  failed       -       -        -      1.0  -      -               -
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestSummaryJSON(t *testing.T) {
	text, err := json.Marshal(baked)
	if err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 3 || back.Rows[1].Failure.Step != baked.Rows[1].Failure.Step || back.Rows[0].SMs[1] != baked.Rows[0].SMs[1] {
		t.Errorf("%s reads back as %+v", text, back)
	}
}

func TestSharedFailureIsToldOnce(t *testing.T) {
	shared := Failure{Step: "[kernels-sm90 3/3] RUN python3", Message: "exit code 1", Log: []string{"error"}}
	other := shared
	other.Message = "exit code 2"
	summary := Summary{Command: "bake", Rows: []Row{{Target: "one", Outcome: Failed, Failure: &shared},
		{Target: "two", Outcome: Failed, Failure: &other}, {Target: "three", Outcome: Failed, Failure: &shared}}}
	var out strings.Builder
	if err := summary.WriteText(&out, false); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "| error") != 2 || !strings.Contains(out.String(), "\none, three: exit code 1\n") {
		t.Errorf("got\n%s\nwant each failure once, with its targets", out.String())
	}
}

// Several wheels are added up; one needs no sum, and what failed is none.
func TestSummaryAddsUp(t *testing.T) {
	rows := []Row{{Target: "a", Outcome: Built, Size: 5_000_000}, {Target: "b", Outcome: Cached, Size: 3_000_000}, {Target: "c", Outcome: Failed}}
	for want, summary := range map[string]Summary{
		"\n2 wheels, 8.00 MB, in 12 seconds\n": {Command: "bake", Seconds: 12.3, Rows: rows},
		"\n2 parts, 8.00 MB, in 12 seconds\n":  {Command: "compile", Seconds: 12.3, Rows: rows},
		"":                                     {Command: "bake", Seconds: 12.3, Rows: rows[1:]},
	} {
		var text strings.Builder
		if err := summary.WriteText(&text, false); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(text.String(), want) || want == "" && strings.Contains(text.String(), " seconds\n") {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
