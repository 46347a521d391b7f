package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel"
)

func TestVersions(t *testing.T) {
	for version, want := range map[string]string{
		"v0.2.0":                                     "0.2.0",
		"v1.10.0-rc.1":                               "1.10.0rc1",
		"v1.0.0-b2":                                  "1.0.0b2",
		"v0.0.0-20261126201929-f1d995512345":         "0.0.0.dev20261126201929+gf1d995512345",
		"v0.2.1-0.20261126201929-f1d995512345":       "0.2.1.dev20261126201929+gf1d995512345",
		"v0.3.0-rc.1.0.20261126201929-f1d995512345":  "0.3.0.dev20261126201929+gf1d995512345",
		"v0.2.1-0.20261126201929-f1d995512345+dirty": "0.2.1.dev20261126201929+gf1d995512345.dirty",
		"v0.2.0+dirty":                               "",
		"v0.2.0-final":                               "",
		"(devel)":                                    "",
		"":                                           "",
		"v2.0.0+incompatible":                        "",
		"v0.2":                                       "",
		"v0.2.1-0.20261126-f1":                       "",
	} {
		got, err := pep440(version)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q is %q, %v; want %q", version, got, err, want)
		}
	}
}

// inRoot is the working directory of the command.
func inRoot(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
}

func TestWheelsAreWhole(t *testing.T) {
	inRoot(t)
	for _, target := range targets {
		b := binary{target: target, content: []byte("\x7fELF, let us say"), module: "example.org/sagebuild", version: "0.2.0rc1"}
		name, content, err := pack(b, "licences")
		if err != nil {
			t.Fatal(err)
		}
		_, again, err := pack(b, "licences")
		if err != nil || !bytes.Equal(content, again) {
			t.Errorf("%s: the same binary gives another wheel, %v", name, err)
		}
		w, err := wheel.Read(bytes.NewReader(content), int64(len(content)), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range w.Problems {
			if !strings.Contains(problem.String(), b.file()) { // the program is none
				t.Errorf("%s: %s", name, problem)
			}
		}
		if w.Metadata.Name != "sagebuild" || w.Metadata.Version != "0.2.0rc1" || w.Metadata.RequiresPython != ">=3.8" || len(w.Metadata.RequiresDist) > 0 {
			t.Errorf("%s: metadata %+v", name, w.Metadata)
		}
		if want := "sagebuild-0.2.0rc1.data/scripts/" + b.file(); w.Members[0].Name != want {
			t.Errorf("the program is %s, want %s", w.Members[0].Name, want)
		}
	}
}

func TestPlatforms(t *testing.T) {
	chosen, err := choose("windows/amd64,linux/arm64")
	if err != nil || len(chosen) != 2 || chosen[0].tags != "win_amd64" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := choose("linux/riscv64"); err == nil {
		t.Error("a platform that nobody builds for was taken")
	}
	if all, err := choose("all"); err != nil || len(all) != len(targets) {
		t.Errorf("%v, %v", all, err)
	}
}

func TestLicensesOfAModule(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"LICENSE.txt": "may\r\nbe copied", "NOTICE": "by somebody", "licenses.go": "package x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	texts, err := licensesIn(dir)
	if err != nil || len(texts) != 2 || texts[0] != "may\nbe copied" {
		t.Fatalf("%q, %v", texts, err)
	}
	got := render(map[string][]string{"b's text": {"b v1"}, "a's text": {"a v1", "c v1"}})
	if at := strings.Index(got, "a v1\nc v1\n\na's text\n"); at < 0 || at > strings.Index(got, "b v1\n\nb's text\n") {
		t.Errorf("licences:\n%s", got)
	}
}

func TestEveryLinkedModuleHasALicense(t *testing.T) {
	inRoot(t)
	for _, target := range targets {
		text, err := thirdParty(target)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Go go1.", "github.com/spf13/cobra v", "Apache License", "The Go Authors"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q among the licences", target, want)
			}
		}
	}
}
