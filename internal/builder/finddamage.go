package builder

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/sagebuild/sagebuild/internal/diag"
	hashes "github.com/sagebuild/sagebuild/internal/digest"
)

// mentionsCache says whether a step failed over what it was to stand on, before it ran.
func mentionsCache(err error) bool {
	text := err.Error()
	for _, word := range []string{"snapshot", "content", "digest", "failed to prepare", "failed to mount", "blob", "layer"} {
		if strings.Contains(text, word) && !strings.Contains(text, "did not complete successfully") {
			return true
		}
	}
	return false
}

// findDamage looks, after a solve that failed without a step to blame, for files whose hash is not that of their name:
// those of the layouts that the request stands on, and what the cache holds. It returns nil where all is well.
func (c *connection) findDamage(ctx context.Context, request Request, solve error) error {
	for _, from := range request.Contexts {
		layout, isLayout := strings.CutPrefix(from, "oci-layout://")
		if !isLayout {
			continue
		}
		dir, _, _ := strings.Cut(layout, "@")
		if bad := damagedBlob(dir); bad != "" {
			return &diag.Error{Class: diag.Environment, Message: "the base in " + dir + " is damaged: " + bad, Hint: diag.Command("rm", "-r", dir)}
		}
	}
	if c.engine == nil {
		return nil
	}
	return c.engine.findDamage(ctx, solve)
}

// damagedBlob is the path of a file in an OCI layout that is not what its name says.
func damagedBlob(layout string) string {
	dir := filepath.Join(layout, "blobs", digest.SHA256.String())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return dir
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if sum, err := hashes.File(path); err != nil || sum != entry.Name() {
			return path
		}
	}
	return ""
}
