package cli

import (
	"errors"
	"runtime"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func TestStateDirectory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("XDG_CACHE_HOME is read on Linux")
	}
	for _, test := range []struct{ flag, variable, xdg, home, want string }{
		{"/flag", "/variable", "/xdg", "/home", "/flag"},
		{"", "/variable", "/xdg", "/home", "/variable"},
		{"", "", "/xdg", "/home", "/xdg/sagebuild"},
		{"", "", "", "/home", "/home/.cache/sagebuild"},
		{"", "", "relative", "/home", "/home/.cache/sagebuild"},
		{"", "", "./relative", "/home", "/home/.cache/sagebuild"},
	} {
		t.Setenv("SAGEBUILD_STATE", test.variable)
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		if got, err := (stateOptions{test.flag}).dir(); err != nil || got != test.want {
			t.Errorf("%+v: got %s (%v)", test, got, err)
		}
	}
	for _, xdg := range []string{"", "relative"} {
		t.Setenv("XDG_CACHE_HOME", xdg)
		t.Setenv("HOME", "")
		if got, err := (stateOptions{}).dir(); !errors.Is(err, diag.Environment) {
			t.Errorf("without a home, XDG_CACHE_HOME=%s: got %s (%v)", xdg, got, err)
		}
	}
}
