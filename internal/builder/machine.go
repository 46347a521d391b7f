package builder

import (
	"bufio"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
)

// caBundle is the id of the secret that holds the machine's certificate authorities.
const caBundle = "ca-bundle"

// bundlePaths is where distributions keep their certificate authorities.
var bundlePaths = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// proxyVariables are build arguments that every Dockerfile has and that count in no cache key.
var proxyVariables = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// machine is what builds need of this machine to reach package indexes, and who it is.
type machine struct {
	bundle  string            // path of the certificate authorities, or empty
	secrets map[string]string // by id
	proxies map[string]string // by build argument
	// builderID says in provenance who built: a URI, as SLSA wants it.
	builderID string
}

// readMachine reads the machine from an environment (os.LookupEnv). A build is offered the named settings of pip and
// uv, each as a secret of its own name: a secret is in no layer and in no cache key, and the URL of an index may hold
// a password.
func readMachine(lookup func(string) (string, bool), offered []string) machine {
	m := machine{secrets: map[string]string{}, proxies: map[string]string{}}
	get := func(name string) string { value, _ := lookup(name); return value }
	m.bundle = findBundle(get("SSL_CERT_FILE"))
	m.builderID = builderID(get)
	for _, name := range offered {
		if value := installerSetting(get, name); value != "" {
			m.secrets[name] = value
		}
	}
	for _, name := range proxyVariables {
		for _, spelling := range []string{name, strings.ToLower(name)} {
			if value := get(spelling); value != "" {
				m.proxies[spelling] = value
			}
		}
	}
	return m
}

// builderID is the run of a GitHub workflow, or else this program.
func builderID(get func(string) string) string {
	server, repository, run := get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID")
	if server == "" || repository == "" || run == "" || strings.ContainsAny(server+repository+run, ",\"\n") {
		return "https://github.com/sagebuild/sagebuild"
	}
	return server + "/" + repository + "/actions/runs/" + run
}

// substitutes lists, for a setting of uv, the settings that stand in for it: older names of uv's own, and those of
// pip, so that uv uses an index that only pip was told about.
var substitutes = map[string][]string{
	"UV_DEFAULT_INDEX": {"UV_INDEX_URL", "PIP_INDEX_URL"},
	"UV_INDEX":         {"UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"},
}

// installerSetting is the value of a setting of pip or uv, or of the first that stands in for it.
func installerSetting(get func(string) string, name string) string {
	if value := get(name); value != "" {
		return value
	}
	if name == "PIP_INDEX_URL" {
		return pipConfigIndex(get)
	}
	for _, other := range substitutes[name] {
		if value := installerSetting(get, other); value != "" {
			return value
		}
	}
	return ""
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

// withProxies adds the machine's proxies to build arguments that do not set them.
func (m machine) withProxies(args map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, m.proxies)
	maps.Copy(all, args)
	return all
}

// session is what a build may ask of this machine: registry logins and secrets.
func (m machine) session() []session.Attachable {
	logins := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(io.Discard)),
	})
	return []session.Attachable{logins, secretsprovider.NewSecretProvider(m)}
}

// GetSecret implements secrets.SecretStore. A secret that this machine lacks is simply absent: the Dockerfile says
// which it cannot do without.
func (m machine) GetSecret(_ context.Context, id string) ([]byte, error) {
	if value, ok := m.secrets[id]; ok {
		return []byte(value), nil
	}
	if id == caBundle && m.bundle != "" {
		return os.ReadFile(m.bundle)
	}
	return nil, secrets.ErrNotFound
}
