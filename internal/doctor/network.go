package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// patience is how long a package server may take to say anything.
const patience = 10 * time.Second

// network asks each package source that this machine's own tools are set up to use. Any answer at all means that
// the source can be reached; which packages it holds is not looked at.
func network(ctx context.Context) []Check {
	return []Check{
		reach(ctx, "network: apt", "bake", aptSource("/etc/apt")),
		reach(ctx, "network: pip and uv", "bake", pythonIndex(ctx)),
		reach(ctx, "network: go", "test", goProxy(ctx)),
	}
}

// source is an address, or where there is none the reason.
type source struct{ address, why string }

func reach(ctx context.Context, name, need string, from source) Check {
	if from.address == "" {
		return Check{Name: name, Status: OK, For: need, Detail: "not asked: " + from.why}
	}
	shown := redact(from.address)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, from.address, nil)
	if err != nil {
		return Check{name, Warning, need, fmt.Sprintf("%s is no address", shown), "sagebuild doctor --json"}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Check{name, Missing, need, fmt.Sprintf("no answer from %s: %s", shown, reason(err)),
			diag.Command("curl", "--head", shown) + " (behind a proxy, export HTTPS_PROXY first)"}
	}
	response.Body.Close()
	return Check{Name: name, Status: OK, For: need, Detail: shown + " answers"}
}

// reason drops the method and address that net/http puts before the cause, and with them any credentials.
func reason(err error) string {
	if wrapped, ok := err.(*url.Error); ok {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// redact removes a user name and password: doctor's output ends up in bug reports.
func redact(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	parsed.User = nil
	return parsed.String()
}

var aptAddress = regexp.MustCompile(`https?://[^\s\]]+`)

// aptSource is the first address in apt's lists, old style or deb822.
func aptSource(dir string) source {
	files := []string{filepath.Join(dir, "sources.list")}
	for _, pattern := range []string{"*.sources", "*.list"} {
		more, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", pattern))
		files = append(files, more...)
	}
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if address := firstAddress(string(text)); address != "" {
			return source{address: address}
		}
	}
	return source{why: "apt has no sources over HTTP"}
}

func firstAddress(text string) string {
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			if address := aptAddress.FindString(line); address != "" {
				return address
			}
		}
	}
	return ""
}

// pythonIndex is the index that uv or pip is told to use; their built-in default is theirs to know.
func pythonIndex(ctx context.Context) source {
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"} {
		if value := os.Getenv(name); value != "" {
			return source{address: value}
		}
	}
	out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "config", "get", "global.index-url").Output()
	if address := strings.TrimSpace(string(out)); err == nil && address != "" {
		return source{address: address}
	}
	return source{why: "pip and uv use their own default index"}
}

// goProxy is the first proxy of the list that the go command uses.
func goProxy(ctx context.Context) source {
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	if err != nil {
		return source{why: "there is no go command to ask"}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), ",")
	if !strings.HasPrefix(first, "http") {
		return source{why: fmt.Sprintf("GOPROXY is %q", first)}
	}
	return source{address: first}
}
