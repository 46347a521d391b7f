package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/buildx/driver"
	"github.com/moby/buildkit/util/urlutil"
)

// attestation is what a request for provenance asks of BuildKit: everything it knows, as SLSA 1.
func attestation(m machine) *string {
	request := "mode=max,version=v1,builder-id=" + m.builderID
	return &request
}

// buildx would ask git for each build anew, and name a commit whatever files differ from it.
func init() { _ = os.Setenv("BUILDX_GIT_INFO", "false") }

// sourceOf are the attributes that name the source in provenance.
func sourceOf(r Request) map[string]string {
	attributes := map[string]string{}
	if r.Commit != "" {
		attributes["vcs:revision"] = r.Commit
	}
	if r.Repository != "" {
		attributes["vcs:source"] = urlutil.RedactCredentials(r.Repository)
	}
	return attributes
}

// provenanceFile is the file into which BuildKit's local exporter writes provenance, beside the files that it is
// about.
const provenanceFile = "provenance.json"

// attests says whether every node can attest. The engine of a docker driver cannot while it keeps images in its old
// store; buildx would refuse the whole build.
func (c *connection) attests(ctx context.Context) bool {
	for _, node := range c.nodes {
		if !node.Driver.IsMobyDriver() {
			continue
		}
		if features, err := node.Driver.Features(ctx); err != nil || !features[driver.MultiPlatform] {
			return false
		}
	}
	return true
}

// takeProvenance moves the attestation out of the directory of results.
func takeProvenance(output string) ([]byte, error) {
	path := filepath.Join(output, provenanceFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if text, err = publishable(text); err != nil {
		return nil, fmt.Errorf("reading the provenance: %w", err)
	}
	return text, os.Remove(path)
}

// publishable puts a statement on one line and takes the machine's proxies out: their addresses may hold passwords,
// and proxies decide nothing about the result. All else that BuildKit says stays.
func publishable(text []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var statement any
	if err := decoder.Decode(&statement); err != nil {
		return nil, err
	}
	withoutProxies(statement)
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(statement)
	return line.Bytes(), err
}

func withoutProxies(value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			withoutProxies(item)
		}
	case map[string]any:
		for key, item := range value {
			if isProxy(key) {
				delete(value, key)
				continue
			}
			withoutProxies(item)
		}
	}
}

// isProxy says whether a key of the provenance holds a proxy: a build argument, or the proxies of a step.
func isProxy(key string) bool {
	if key == "proxyEnv" || key == "proxy_env" {
		return true
	}
	name, argument := strings.CutPrefix(key, "build-arg:")
	return argument && slices.Contains(proxyVariables, strings.ToUpper(name))
}
