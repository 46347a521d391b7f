package run

import (
	"context"
	"errors"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/base"
)

// makeTrees makes what the plan takes from the lock, and nothing else: a bake needs no interpreter.
func (s *session) makeTrees(ctx context.Context) (map[bake.Locked]string, error) {
	wanted := lockedTrees(s.Plan)
	if len(wanted) == 0 {
		return nil, nil
	}
	store, err := base.Open(s.Options.Source, s.Options.State, s.Options.Notes)
	if err != nil {
		return nil, err
	}
	trees := map[bake.Locked]string{}
	for _, tree := range wanted {
		layout, err := makeTree(ctx, store, tree)
		if err != nil {
			return nil, errors.Join(context.Cause(ctx), err)
		}
		trees[tree] = layout.Context()
	}
	return trees, nil
}

// lockedTrees lists each tree that the plan takes from the lock once, in the plan's order.
func lockedTrees(plan *bake.Plan) []bake.Locked {
	var trees []bake.Locked
	seen := map[bake.Locked]bool{{}: true}
	for _, target := range plan.Targets {
		for _, name := range []string{bake.ContextBase, bake.ContextPython, bake.ContextEmulator} {
			if tree := target.Contexts[name].Locked; !seen[tree] {
				seen[tree] = true
				trees = append(trees, tree)
			}
		}
	}
	return trees
}

func makeTree(ctx context.Context, store *base.Store, tree bake.Locked) (base.Layout, error) {
	switch {
	case tree.Tree == bake.TreeEmulator:
		return store.Emulator(ctx, tree.Platform)
	case tree.Tree == bake.TreePython && tree.Platform != "":
		return store.PlatformPython(ctx, tree.Platform, tree.Python)
	case tree.Tree == bake.TreePython:
		return store.Python(ctx, tree.Python)
	}
	return store.Base(ctx)
}

// contexts are a target's contexts as BuildKit reads them.
func (s *session) contexts(target bake.Target) (map[string]string, error) {
	all := map[string]string{}
	for name, planned := range target.Contexts {
		switch {
		case planned.Wheel != "":
			dir, err := s.staging.alone(planned.Wheel, target.Wheel)
			if err != nil {
				return nil, err
			}
			all[name] = dir
		case planned.Locked.Tree != "":
			all[name] = s.trees[planned.Locked]
		default:
			all[name] = planned.Reference
		}
	}
	return all, nil
}
