package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/base"
	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/internal/torch"
	"github.com/sagebuild/sagebuild/internal/ui"
)

const cleanHelp = `Clean frees disk space in the state directory: build cache that no run of the last week used, a damaged cache that was
set aside, and what killed runs left there and in dist/. It also forgets which wheels are up to date, so that the next bake
builds each of them again. With --all it deletes the whole cache, bases, interpreters and fetched torch wheels, without
opening what may be damaged. It never touches a wheel or a test result.`

func newClean(app *App) *cobra.Command {
	var options cleanOptions
	cmd := &cobra.Command{
		Use:     "clean",
		Short:   "Free disk space in the state directory; dist/ stays as it is",
		Long:    cleanHelp,
		Example: "  sagebuild clean\n  sagebuild clean --all",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runClean(cmd.Context(), app, options) },
	}
	options.state.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.dist, "dist", "dist", "directory whose leftovers are removed")
	cmd.Flags().BoolVar(&options.all, "all", false, "drop the whole build cache, bases, interpreters and fetched torch wheels included")
	app.addJSON(cmd, "the numbers of bytes")
	return cmd
}

type cleanOptions struct {
	state stateOptions
	dist  string
	all   bool
}

type cleanResult struct {
	State string `json:"state"`
	// Freed and Left are bytes, bases, interpreters and torch wheels counted in Freed alone.
	Freed int64 `json:"freed"`
	Left  int64 `json:"left"`
	// Staging lists the leftover directories that were removed.
	Staging []string `json:"staging"`
}

func runClean(ctx context.Context, app *App, options cleanOptions) error {
	dir, err := options.state.dir()
	if err != nil {
		return err
	}
	result := cleanResult{State: dir}
	if result.Staging, err = run.Sweep(options.dist); err != nil {
		return err
	}
	if err := result.prune(ctx, app.Console, options.all); err != nil {
		return err
	}
	return app.print(result, func(io.Writer, bool) error {
		app.Console.Note("freed %s in %s, %s left", ui.Size(result.Freed), dir, ui.Size(result.Left))
		for _, leftover := range result.Staging {
			app.Console.Note("removed %s", leftover)
		}
		return nil
	})
}

// prune frees the space. Either way the lock of the embedded builder keeps a running build's cache safe.
func (r *cleanResult) prune(ctx context.Context, console *ui.Console, all bool) error {
	if !exists(r.State) {
		return nil
	}
	if all {
		return r.removeAll(ctx)
	}
	return r.pruneCache(ctx, console)
}

// removeAll opens nothing: it is what helps where a database is damaged.
func (r *cleanResult) removeAll(ctx context.Context) error {
	cache := func(state string) (int64, error) { return builder.Remove(ctx, state) }
	for _, remove := range []func(string) (int64, error){cache, base.Remove, torch.Remove, run.Forget} {
		freed, err := remove(r.State)
		r.Freed += freed
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *cleanResult) pruneCache(ctx context.Context, console *ui.Console) (err error) {
	b, err := builder.Open(ctx, builder.Config{State: r.State, Display: builder.Display{Mode: "quiet"}, Notes: notes{console}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if r.Freed, err = b.Prune(ctx, false); err != nil {
		return err
	}
	forgotten, err := run.Forget(r.State)
	if err != nil {
		return err
	}
	r.Freed += forgotten
	r.Left, err = b.DiskUsage(ctx)
	return err
}
