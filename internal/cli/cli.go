// Package cli is the command line of sagebuild, one file a command: newX describes the command and its flags, runX
// does the work and can be called by a test. Nothing below this package reads flags or decides an exit code.
package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// App is what all commands share.
type App struct {
	Console *ui.Console
	// JSON makes the command print its data, and an error as well, as JSON.
	JSON bool
}

// Main runs one command line and returns the exit code of the process.
func Main(ctx context.Context, args []string, out, err *os.File) int {
	app := &App{Console: ui.NewConsole(out, err)}
	root := newRoot(app)
	root.SetArgs(args)
	return app.exit(ctx, root.ExecuteContext(ctx))
}

// addJSON gives a command that prints data its --json.
func (a *App) addJSON(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&a.JSON, "json", false, "print "+what+" as JSON on standard output, an error as well")
}
