package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/revision"
)

// inputs hash what decides the targets of a run.
type inputs struct {
	*sources
	dockerfile         []byte
	commit, repository string // of the source, where it has them
}

func newInputs(ctx context.Context, r *Run) (*inputs, error) {
	dockerfile, err := bake.RenderDockerfile(r.Project.Matrix, r.Project.Kernels)
	if err != nil {
		return nil, err
	}
	files, err := newSources(r.Options.Source)
	return &inputs{files, dockerfile, revision.Of(ctx, r.Options.Source), revision.Remote(ctx, r.Options.Source)}, err
}

// of is a hash of what decides what a target's stages make: the stages, their arguments, the base, what they copy. It is
// the same on every machine. What decides more than that is told in more.
func (in *inputs) of(target bake.Target, more ...string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%x\n%s\n", target.Stage, sha256.Sum256(in.dockerfile), target.Contexts[bake.ContextBase])
	for _, name := range slices.Sorted(maps.Keys(target.Args)) {
		fmt.Fprintf(hash, "%s=%s\n", name, target.Args[name])
	}
	for _, path := range target.Sources() {
		sum, err := in.sum(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %s\n", sum, path)
	}
	for _, fact := range more {
		fmt.Fprintf(hash, "%q\n", fact)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// fresh reads every file again.
func (in *inputs) fresh() *inputs {
	again := *in
	again.sources = &sources{dir: in.dir, ignore: in.ignore, known: map[string]snapshot{}}
	return &again
}

// context is what decides the files of a named context: what the lock pins, a digest, or the files themselves. Of what
// else a context may be, nobody knows the files before a builder has asked for them.
func (in *inputs) context(c bake.Context) (string, error) {
	switch dir, isDir := in.directory(c); {
	case isDir:
		return in.sum(dir)
	case c.Locked.Tree != "" || strings.Contains(c.Reference, "@sha256:"):
		return c.String(), nil
	}
	return "", fmt.Errorf("%s may be another one at any time", c)
}

// directory is the directory that a context is, if it is one.
func (in *inputs) directory(c bake.Context) (string, bool) {
	if c.Reference == "" || strings.Contains(c.Reference, "://") {
		return "", false
	}
	if filepath.IsAbs(c.Reference) {
		return c.Reference, true
	}
	return filepath.Join(in.dir, c.Reference), true
}

// isUntouched says that nothing of what a target reads was touched since it was hashed.
func (in *inputs) isUntouched(target bake.Target) bool {
	paths := target.Sources()
	for _, c := range target.Contexts {
		if dir, ok := in.directory(c); ok {
			paths = append(paths, dir)
		}
	}
	return !slices.ContainsFunc(paths, func(path string) bool { return !in.untouched(path) })
}

// shortHash is a name for a text that may not be one of a file.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
