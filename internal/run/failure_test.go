package run

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

func TestFailuresSayWhatHelps(t *testing.T) {
	step := &builder.StepError{Step: "[wheel 1/2] RUN make", Log: []string{"boom"}, Err: errors.New("exit code: 2")}
	blamed := &diag.Error{Class: diag.Environment, Message: "no network inside the build", Hint: "sagebuild doctor", Err: step}
	checked := &diag.Error{Class: diag.Mismatch, Message: "a.whl is not what the plan says", Hint: "sagebuild bake --print x", Err: errors.New("no fatbin")}
	for _, test := range []struct {
		name    string
		err     error
		outcome report.Outcome
		want    *report.Failure
	}{
		{"success", nil, "", nil},
		{"stopped by another", fmt.Errorf("target: %w", ErrStopped), report.Skipped, nil},
		{"a step", step, report.Failed, &report.Failure{Step: step.Step, Log: step.Log, Message: "exit code: 2"}},
		{"a step that the machine failed", blamed, report.Failed,
			&report.Failure{Step: step.Step, Log: step.Log, Message: "no network inside the build", Hint: "sagebuild doctor"}},
		{"a wheel", checked, report.Failed, &report.Failure{Message: "a.whl is not what the plan says: no fatbin", Hint: "sagebuild bake --print x"}},
		{"anything else", errors.New("no such file"), report.Failed, &report.Failure{Message: "no such file"}},
	} {
		var result Result
		result.fail(test.err)
		if !errors.Is(result.Err, test.err) || result.Row.Outcome != test.outcome || !reflect.DeepEqual(result.Row.Failure, test.want) {
			t.Errorf("%s: %v, outcome %q, failure %+v; want %q, %+v", test.name, result.Err, result.Row.Outcome, result.Row.Failure, test.outcome, test.want)
		}
	}
}

// The lines of failed tests, which the results gave, stay beside the message.
func TestFailureKeepsTheFailedTests(t *testing.T) {
	result := Result{Row: report.Row{Failure: &report.Failure{Log: []string{"test_one: wrong"}}}}
	result.fail(errors.New("1 of 2 tests failed"))
	if want := (report.Failure{Message: "1 of 2 tests failed", Log: []string{"test_one: wrong"}}); !reflect.DeepEqual(*result.Row.Failure, want) {
		t.Errorf("failure %+v, want %+v", *result.Row.Failure, want)
	}
}

func TestFailedNamesTheFirst(t *testing.T) {
	broken, later := errors.New("broken"), errors.New("later")
	failed, first := Failed([]Result{{}, {Err: ErrStopped}, {Err: broken}, {Err: later}})
	if len(failed) != 2 || !errors.Is(first, broken) {
		t.Errorf("%d failed, the first with %v", len(failed), first)
	}
	if failed, first := Failed([]Result{{}, {Err: ErrStopped}}); failed != nil || first != nil {
		t.Errorf("%v failed with %v where none did by itself", failed, first)
	}
}
