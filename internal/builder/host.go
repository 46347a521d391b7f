package builder

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

// caBundle is the secret id of the host's certificate authorities.
const caBundle = "ca-bundle"

// bundlePaths is where distributions keep their certificate authorities.
var bundlePaths = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// installerVariables are the settings of pip and uv that say where packages come from. Each is offered to the build
// as a secret with its own name: a secret is in no layer and in no cache key, and an index URL may hold a password.
var installerVariables = []string{
	"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST",
	"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST",
}

// proxyVariables are build arguments that every Dockerfile has and that count in no cache key.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// hostSettings is what this machine needs to reach package indexes.
type hostSettings struct {
	bundle  string            // path of the certificate authorities, or empty
	secrets map[string]string // by id
	proxies map[string]string // by build argument
	// builderID says in provenance who built: a URI, as SLSA wants it.
	builderID string
}

// readHost collects the settings from an environment (os.LookupEnv).
func readHost(lookup func(string) (string, bool)) hostSettings {
	h := hostSettings{secrets: map[string]string{}, proxies: map[string]string{}}
	get := func(name string) string { value, _ := lookup(name); return value }
	h.bundle = findBundle(get("SSL_CERT_FILE"))
	h.builderID = builderID(get)
	for _, name := range installerVariables {
		if value := get(name); value != "" {
			h.secrets[name] = value
		}
	}
	h.deriveIndex(get)
	for _, name := range proxyVariables {
		for _, spelling := range []string{name, strings.ToLower(name)} {
			if value := get(spelling); value != "" {
				h.proxies[spelling] = value
			}
		}
	}
	return h
}

// builderID is the run of a GitHub workflow, or else this program.
func builderID(get func(string) string) string {
	server, repository, run := get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")
	if server == "" || repository == "" || run == "" || strings.ContainsAny(server+repository+run, ",\"\n") {
		return "https://github.com/sagebuild/sagebuild"
	}
	return server + "/" + repository + "/actions/runs/" + run
}

// deriveIndex lets uv use the index that only pip was told about.
func (h *hostSettings) deriveIndex(get func(string) string) {
	if h.secrets["PIP_INDEX_URL"] == "" {
		if url := pipConfigIndex(get); url != "" {
			h.secrets["PIP_INDEX_URL"] = url
		}
	}
	for _, from := range []string{"UV_INDEX_URL", "PIP_INDEX_URL"} {
		if h.secrets["UV_DEFAULT_INDEX"] == "" && h.secrets[from] != "" {
			h.secrets["UV_DEFAULT_INDEX"] = h.secrets[from]
		}
	}
	if h.secrets["UV_INDEX"] == "" && h.secrets["PIP_EXTRA_INDEX_URL"] != "" {
		h.secrets["UV_INDEX"] = h.secrets["PIP_EXTRA_INDEX_URL"]
	}
}

// pipConfigIndex reads global.index-url of the first of pip's configuration files that has one.
func pipConfigIndex(get func(string) string) string {
	paths := []string{get("PIP_CONFIG_FILE")}
	if home := get("HOME"); home != "" {
		paths = append(paths, filepath.Join(home, ".config/pip/pip.conf"), filepath.Join(home, ".pip/pip.conf"))
	}
	for _, path := range append(paths, "/etc/pip.conf") {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if url := parsePipIndex(string(data)); url != "" {
			return url
		}
	}
	return ""
}

// parsePipIndex returns index-url of the section [global] of a pip.conf.
func parsePipIndex(data string) string {
	section := ""
	for lines := bufio.NewScanner(strings.NewReader(data)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			section = line
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key = strings.ReplaceAll(strings.TrimSpace(key), "_", "-")
		if found && section == "[global]" && key == "index-url" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func findBundle(configured string) string {
	for _, path := range append([]string{configured}, bundlePaths...) {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// buildArgs adds proxies to arguments that do not set them.
func (h hostSettings) buildArgs(args map[string]string) {
	for name, value := range h.proxies {
		if _, given := args[name]; !given {
			args[name] = value
		}
	}
}

// session is what a build may ask of this machine: registry logins and the secrets of the host and of the bake file.
func (h hostSettings) session(declared buildflags.Secrets) []session.Attachable {
	logins := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(io.Discard)),
	})
	return []session.Attachable{logins, secretsprovider.NewSecretProvider(secretStore{host: h, declared: declared})}
}

// secretStore answers with the secret that the bake file declares, or else with the host's. A declared secret that
// this machine lacks is simply absent: the Dockerfile says which secrets it cannot do without.
type secretStore struct {
	host     hostSettings
	declared buildflags.Secrets
}

// GetSecret implements secrets.SecretStore.
func (s secretStore) GetSecret(_ context.Context, id string) ([]byte, error) {
	for _, d := range s.declared {
		if d.ID != id {
			continue
		}
		if value, ok := os.LookupEnv(d.Env); ok && d.Env != "" {
			return []byte(value), nil
		}
		if data, err := os.ReadFile(d.FilePath); err == nil && d.FilePath != "" {
			return data, nil
		}
	}
	if value, ok := s.host.secrets[id]; ok {
		return []byte(value), nil
	}
	if id == caBundle && s.host.bundle != "" {
		return os.ReadFile(s.host.bundle)
	}
	return nil, secrets.ErrNotFound
}
