package builder

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/session/secrets"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func environmentOf(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestHostSecrets(t *testing.T) {
	config := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(config, []byte("[global]\nindex-url = https://configured.invalid/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		want map[string]string
	}{
		{"nothing", map[string]string{"PIP_CONFIG_FILE": "/does/not/exist"}, map[string]string{}},
		{"pip's index serves uv", map[string]string{"PIP_INDEX_URL": "a"}, map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "a"}},
		{"uv's own index wins", map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}, map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}},
		{"uv's old name", map[string]string{"UV_INDEX_URL": "c", "PIP_INDEX_URL": "a"}, map[string]string{"UV_INDEX_URL": "c", "PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "c"}},
		{"extra indexes", map[string]string{"PIP_EXTRA_INDEX_URL": "d e"}, map[string]string{"PIP_EXTRA_INDEX_URL": "d e", "UV_INDEX": "d e"}},
		{"configuration file", map[string]string{"PIP_CONFIG_FILE": config}, map[string]string{
			"PIP_INDEX_URL": "https://configured.invalid/", "UV_DEFAULT_INDEX": "https://configured.invalid/"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := readHost(environmentOf(test.env)).secrets; !maps.Equal(got, test.want) {
				t.Errorf("secrets are %v, want %v", got, test.want)
			}
		})
	}
}

func TestBuildArgs(t *testing.T) {
	host := readHost(environmentOf(map[string]string{"HTTPS_PROXY": "a", "no_proxy": "b", "PIP_INDEX_URL": "secret"}))
	args := map[string]string{"SOURCE_DATE_EPOCH": "315532800", "CUDA": "12.9.1"}
	host.buildArgs(args)
	want := map[string]string{"SOURCE_DATE_EPOCH": "315532800", "CUDA": "12.9.1", "HTTPS_PROXY": "a", "no_proxy": "b"}
	if !maps.Equal(args, want) {
		t.Errorf("arguments are %v, want %v", args, want)
	}
}

func TestSecretStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN", "from a variable")
	store := secretStore{
		host: hostSettings{bundle: file, secrets: map[string]string{"PIP_INDEX_URL": "from the host", "both": "from the host"}},
		declared: buildflags.Secrets{{ID: "file", FilePath: file}, {ID: "variable", Env: "TOKEN"},
			{ID: "both", FilePath: file}, {ID: "gone", FilePath: "/does/not/exist"}},
	}
	want := map[string]string{"file": "from a file", "variable": "from a variable", "both": "from a file",
		"PIP_INDEX_URL": "from the host", "ca-bundle": "from a file"}
	for id, value := range want {
		if got, err := store.GetSecret(t.Context(), id); err != nil || string(got) != value {
			t.Errorf("secret %s is %q (%v), want %q", id, got, err, value)
		}
	}
	for _, id := range []string{"gone", "other"} {
		if _, err := store.GetSecret(t.Context(), id); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("secret %s gave %v, want that there is none", id, err)
		}
	}
}

func TestParsePipIndex(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", ""},
		{"plain", "[global]\nindex-url=https://a/\n", "https://a/"},
		{"spaces and underscore", " [global] \n index_url = https://a/?b=c \n", "https://a/?b=c"},
		{"another section", "[install]\nindex-url = https://a/\n", ""},
		{"after another section", "[list]\nformat = columns\n[global]\ntimeout = 3\nindex-url = https://a/\n", "https://a/"},
		{"comment", "[global]\n# index-url = https://a/\n", ""},
	}
	for _, test := range tests {
		if got := parsePipIndex(test.text); got != test.want {
			t.Errorf("%s: index is %q, want %q", test.name, got, test.want)
		}
	}
}

func TestBuildOptionsErrors(t *testing.T) {
	tests := []struct {
		name, bakefile string
		place          *diag.Range
	}{
		{"syntax", "target \"it\" {\n  args = \n}\n", &diag.Range{File: bakefileName, Line: 2, Column: 10}},
		{"unknown variable", "target \"it\" {\n  target = NOPE\n}\n", &diag.Range{File: bakefileName, Line: 2, Column: 12}},
		{"no such target", "target \"other\" {}\n", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := buildOptions(t.Context(), Request{Bakefile: []byte(test.bakefile), Target: "it"}, hostSettings{})
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Usage || e.Hint == "" {
				t.Fatalf("error is %v, want a usage error with a hint", err)
			}
			if test.place != nil && (e.Range == nil || *e.Range != *test.place) {
				t.Errorf("error %q is at %v, want %v", e, e.Range, test.place)
			}
		})
	}
}

func TestBuildOptionsOverrides(t *testing.T) {
	source, output := t.TempDir(), filepath.Join(t.TempDir(), "new")
	options, err := buildOptions(t.Context(), Request{
		Bakefile: []byte(`
target "linked" { contexts = { base = "docker-image://debian" } }
target "it" {
  target = "wheel"
  context = "."
  dockerfile = "dockerfiles/Dockerfile"
  contexts = { other = "sub/dir", linked = "target:linked" }
  output = ["type=image,push=true"]
  cache-to = ["type=gha"]
}`),
		Dockerfile: []byte("FROM base\n"), Source: source, Target: "it", Stage: "test-report", Output: output,
		Contexts: map[string]string{"base": "oci-layout:///layout@sha256:00"}, CacheFrom: []string{"type=local,src=/cache"}, NoCache: true,
	}, hostSettings{})
	if err != nil {
		t.Fatal(err)
	}
	o := options["it"]
	if o.Target != "test-report" || o.Inputs.DockerfileInline != "FROM base\n" || !o.NoCache {
		t.Errorf("stage %q, Dockerfile %q, no cache %v", o.Target, o.Inputs.DockerfileInline, o.NoCache)
	}
	if o.Inputs.ContextPath != source || o.Inputs.NamedContexts["other"].Path != filepath.Join(source, "sub/dir") {
		t.Errorf("context %s, other %s, want them below %s", o.Inputs.ContextPath, o.Inputs.NamedContexts["other"].Path, source)
	}
	for _, name := range []string{"it", "linked"} {
		if got := options[name].Inputs.NamedContexts["base"].Path; got != "oci-layout:///layout@sha256:00" {
			t.Errorf("base of %s is %s", name, got)
		}
	}
	if len(o.Exports) != 1 || o.Exports[0].OutputDir != output {
		t.Errorf("exports are %v, want one to %s", o.Exports, output)
	}
	if len(o.CacheFrom) != 1 || o.CacheFrom[0].Attrs["src"] != "/cache" {
		t.Errorf("cache sources are %v", o.CacheFrom)
	}
	if o.FrontendAttrs["cmdline"] != "builtin" {
		t.Error("a syntax line in the Dockerfile would reach an image registry")
	}
}
