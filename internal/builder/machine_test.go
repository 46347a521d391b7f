package builder

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/moby/buildkit/session/secrets"
)

func environmentOf(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestMachineSecrets(t *testing.T) {
	config := filepath.Join(t.TempDir(), "pip.conf")
	if err := os.WriteFile(config, []byte("[global]\nindex-url = https://configured.invalid/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	offered := []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"}
	tests := []struct {
		name string
		env  map[string]string
		want map[string]string
	}{
		{"nothing", map[string]string{"PIP_CONFIG_FILE": "/does/not/exist"}, map[string]string{}},
		{"pip's index serves uv", map[string]string{"PIP_INDEX_URL": "a"}, map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "a"}},
		{"uv's own index wins", map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}, map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}},
		{"uv's old name", map[string]string{"UV_INDEX_URL": "c", "PIP_INDEX_URL": "a"}, map[string]string{"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "c"}},
		{"what no step may mount", map[string]string{"PIP_TRUSTED_HOST": "a", "HOME": "/does/not/exist"}, map[string]string{}},
		{"extra indexes", map[string]string{"PIP_EXTRA_INDEX_URL": "d e"}, map[string]string{"PIP_EXTRA_INDEX_URL": "d e", "UV_INDEX": "d e"}},
		{"configuration file", map[string]string{"PIP_CONFIG_FILE": config}, map[string]string{
			"PIP_INDEX_URL": "https://configured.invalid/", "UV_DEFAULT_INDEX": "https://configured.invalid/"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := readMachine(environmentOf(test.env), offered).secrets; !maps.Equal(got, test.want) {
				t.Errorf("secrets are %v, want %v", got, test.want)
			}
		})
	}
}

func TestProxiesBecomeArguments(t *testing.T) {
	m := readMachine(environmentOf(map[string]string{"HTTPS_PROXY": "a", "no_proxy": "b", "PIP_INDEX_URL": "secret"}), []string{"PIP_INDEX_URL"})
	args := map[string]string{"no_proxy": "given", "CUDA": "12.9.1"}
	want := map[string]string{"no_proxy": "given", "CUDA": "12.9.1", "HTTPS_PROXY": "a"}
	if got := m.withProxies(args); !maps.Equal(got, want) || len(args) != 2 {
		t.Errorf("arguments are %v, want %v; those given are now %v", got, want, args)
	}
}

func TestGetSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(file, []byte("certificates"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := machine{bundle: file, secrets: map[string]string{"PIP_INDEX_URL": "an index"}}
	for id, value := range map[string]string{"PIP_INDEX_URL": "an index", "ca-bundle": "certificates"} {
		if got, err := m.GetSecret(t.Context(), id); err != nil || string(got) != value {
			t.Errorf("secret %s is %q (%v), want %q", id, got, err, value)
		}
	}
	for m, id := range map[*machine]string{&m: "UV_INDEX", {}: "ca-bundle"} {
		if got, err := m.GetSecret(t.Context(), id); !errors.Is(err, secrets.ErrNotFound) {
			t.Errorf("secret %s gave %q, %v, want that there is none", id, got, err)
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
