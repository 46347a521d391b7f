package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/base"
)

const lockHelp = `Lock makes the Debian base and every interpreter from today's packages, and writes each package with its hash to
lock/system.hcl. Builds then refuse anything else. Lock needs root, mmdebstrap and the go command; review the change like
any other.`

func newLock(app *App) *cobra.Command {
	var state stateOptions
	var source string
	cmd := &cobra.Command{
		Use:     "lock",
		Short:   "Pin the Debian base and the interpreters anew in lock/system.hcl",
		Long:    lockHelp,
		Example: "  sagebuild lock\n  git diff lock/system.hcl",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLock(cmd.Context(), app, state, source) },
	}
	state.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&source, "source", ".", "`DIR`ectory with lock/")
	return cmd
}

func runLock(ctx context.Context, app *App, state stateOptions, source string) error {
	dir, err := state.dir()
	if err != nil {
		return err
	}
	store, err := base.Open(source, dir, notes{app.Console})
	if err != nil {
		return err
	}
	text, err := store.UpdateLock(ctx)
	if err != nil {
		return err
	}
	path := filepath.Join(source, base.LockFile)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	app.Console.Note("wrote %s", path)
	return nil
}
