package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/ui"
)

func TestEveryMissingThingHasAFix(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("SSL_CERT_FILE", filepath.Join(t.TempDir(), "none.crt"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // no question is sent
	missing := map[string]bool{}
	for _, check := range Run(ctx, Options{State: filepath.Join(t.TempDir(), "state")}) {
		if check.Status != OK && check.Fix == "" {
			t.Errorf("%s is %s and has no fix", check.Name, check.Status)
		}
		missing[check.Name] = check.Status == Missing
	}
	for _, name := range []string{"runc", "mmdebstrap", "go", "certificates"} {
		if !missing[name] {
			t.Errorf("%s: not missing on a machine without it", name)
		}
	}
}

func TestDoctorLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	overlay(filepath.Join(parent, "not", "there", "yet"))
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestDiskLevels(t *testing.T) {
	for _, test := range []struct {
		free   float64
		status Status
		need   string
	}{
		{5e9, Missing, "bake"}, {15e9, Missing, "test"}, {44e9, Warning, "test"}, {46e9, OK, "bake"},
	} {
		got := diskCheck("/state", ui.Size(test.free))
		if got.Status != test.status || got.For != test.need {
			t.Errorf("%g bytes free: %s for %s; want %s for %s", test.free, got.Status, got.For, test.status, test.need)
		}
	}
}

func TestAptSource(t *testing.T) {
	dir := t.TempDir()
	if got := aptSource(dir); got.address != "" || got.why == "" {
		t.Errorf("no sources: %+v", got)
	}
	write(t, filepath.Join(dir, "sources.list"), "# deb http://commented.example/debian\n")
	write(t, filepath.Join(dir, "sources.list.d", "debian.sources"), "Types: deb\nURIs: https://mirror.example/debian other\n")
	if got := aptSource(dir); got.address != "https://mirror.example/debian" {
		t.Errorf("deb822: %+v", got)
	}
	write(t, filepath.Join(dir, "sources.list"), "deb [signed-by=/k.gpg] http://first.example/debian stable main\n")
	if got := aptSource(dir); got.address != "http://first.example/debian" {
		t.Errorf("one line: %+v", got)
	}
}

func TestReachHidesCredentials(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.Replace(server.URL, "http://", "http://user:secret@", 1)
	up := reach(context.Background(), "index", "bake", source{address: address})
	server.Close()
	down := reach(context.Background(), "index", "bake", source{address: address})
	if up.Status != OK || down.Status != Missing {
		t.Errorf("up %+v, down %+v", up, down)
	}
	for _, check := range []Check{up, down} {
		if strings.Contains(check.Detail+check.Fix, "secret") {
			t.Errorf("shows a password: %+v", check)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
