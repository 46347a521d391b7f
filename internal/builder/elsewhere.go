//go:build !linux

package builder

import (
	"context"
	"runtime"
)

// openEmbedded fails: BuildKit runs containers, and containers are Linux's.
func openEmbedded(context.Context, Config) (Builder, error) {
	return nil, environment("docker buildx ls, then sagebuild bake --builder NAME",
		"the embedded BuildKit runs on Linux, and this system is %s", runtime.GOOS)
}

// Remove has nothing to delete, since no embedded builder was ever opened.
func Remove(context.Context, string) (freed int64, err error) { return 0, nil }
