package diag

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("a build that failed"), 1},
		{&Error{Class: Failed}, 1},
		{&Error{Class: Usage}, 2},
		{fmt.Errorf("loading: %w", &Error{Class: Environment}), 3},
		{errors.Join(errors.New("first"), &Error{Class: Mismatch}), 4},
		{fmt.Errorf("solving: %w", context.Canceled), 130},
		{&Error{Class: Interrupted}, 130},
		{&Error{Class: Environment, Err: context.Canceled}, 3},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("ExitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("no such file")
	for want, e := range map[string]*Error{
		"message":                             {Message: "message"},
		"my.hcl:3:7: message":                 {Message: "message", Range: &Range{"my.hcl", 3, 7}},
		"my.hcl:3:7: message: no such file":   {Message: "message", Range: &Range{"my.hcl", 3, 7}, Err: cause},
		"no such file":                        {Err: cause},
		"message with a hint beside the text": {Message: "message with a hint beside the text", Hint: "sagebuild doctor"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestIsAndAs(t *testing.T) {
	err := fmt.Errorf("baking: %w", &Error{Class: Environment, Err: fs.ErrPermission})
	if !errors.Is(err, Environment) || errors.Is(err, Usage) {
		t.Error("the class is not found by errors.Is")
	}
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("the cause is not found by errors.Is")
	}
}

func TestAll(t *testing.T) {
	one, two := &Error{Message: "one"}, &Error{Message: "two"}
	got := All(fmt.Errorf("loading: %w", errors.Join(one, errors.New("noise"), fmt.Errorf("and: %w", two))))
	if len(got) != 2 || got[0] != one || got[1] != two {
		t.Errorf("got %v", got)
	}
	plain := errors.New("plain")
	if got := All(plain); len(got) != 1 || !errors.Is(got[0], plain) || got[0].Class != Failed {
		t.Errorf("got %v", got)
	}
	if got := All(nil); got != nil {
		t.Errorf("got %v for no error", got)
	}
}

func TestSuggest(t *testing.T) {
	candidates := []string{"default", "sage2-all", "pytorch28", "pytorch27", "stable", "test"}
	for name, want := range map[string]string{
		"defualt": "default", "Stable": "stable", "sage2all": "sage2-all", "pytorch2": "pytorch27", "pytorch38": "pytorch28", "tset": "test",
		"": "", "x": "", "windows": "",
	} {
		if got := Suggest(name, candidates); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
}
