package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/base"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

// systemLock pins the Debian base and the interpreters, below the source directory.
const systemLock = "lock/system.hcl"

// resolveContexts makes what the plan takes from the lock, and nothing else: a bake needs no interpreter. The result
// maps the plan's contexts to real ones; contexts that are real already are not in it.
func resolveContexts(ctx context.Context, console *ui.Console, source, state string, plan *bake.Plan) (map[string]string, error) {
	wanted := lockedContexts(plan)
	if len(wanted) == 0 {
		return nil, nil
	}
	lock, err := base.ReadLock(filepath.Join(source, systemLock))
	if err != nil {
		return nil, err
	}
	store := newStore(console, state, lock)
	real := map[string]string{}
	for _, name := range wanted {
		layout, err := makeLayout(ctx, store, strings.TrimPrefix(name, fromLock))
		if err != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		real[name] = layout.Context()
	}
	return real, nil
}

func newStore(console *ui.Console, state string, lock *base.Lock) *base.Store {
	return &base.Store{State: state, Lock: lock, Mirror: os.Getenv(base.MirrorVariable), Progress: notes{console}}
}

// lockedContexts lists each context of the plan that comes from the lock once, in the plan's order.
func lockedContexts(plan *bake.Plan) []string {
	var names []string
	seen := map[string]bool{}
	for _, target := range plan.Targets {
		for _, kind := range []string{"base", "python", "emulator"} {
			name := target.Contexts[kind]
			if strings.HasPrefix(name, fromLock) && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

func makeLayout(ctx context.Context, store *base.Store, name string) (base.Layout, error) {
	platform, part, isEmulated := strings.Cut(name, "/")
	if !isEmulated {
		part = name
	}
	text, isPython := strings.CutPrefix(part, "python-")
	version, err := matrix.ParseVersion(text)
	switch {
	case isPython && err != nil:
		return base.Layout{}, err
	case isPython && isEmulated:
		return store.PlatformPython(ctx, platform, version)
	case isPython:
		return store.Python(ctx, version)
	case isEmulated:
		return store.Emulator(ctx, platform)
	}
	return store.Base(ctx)
}

// notes prints each line it is given as a note.
type notes struct{ console *ui.Console }

var _ io.Writer = notes{}

// Write implements io.Writer.
func (n notes) Write(text []byte) (int, error) {
	n.console.Note("%s", strings.TrimRight(string(text), "\n"))
	return len(text), nil
}
