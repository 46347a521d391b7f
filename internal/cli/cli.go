// Package cli is the command line of sagebuild, one file a command: newX describes the command and its flags, runX
// does the work and can be called by a test. Nothing below this package reads flags or decides an exit code.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// App is what all commands share.
type App struct {
	Console *ui.Console
	json    bool // --json: data, and an error as well, are printed as JSON
}

// print prints a command's data: as JSON where --json asks for it, else as text, which may be coloured.
func (a *App) print(data any, text func(w io.Writer, color bool) error) error {
	if a.json {
		return a.Console.JSON(data)
	}
	return text(a.Console.Out, a.Console.OutColor)
}

// Process runs the command line of this process, which SIGINT, SIGTERM and SIGHUP end in an orderly way, and returns its
// exit code. A second signal ends it at once.
func Process() int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	context.AfterFunc(ctx, stop) // gives the signals back their default
	return Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// Main runs one command line and returns the exit code of the process.
func Main(ctx context.Context, args []string, out, err *os.File) int {
	app := &App{Console: ui.NewConsole(out, err)}
	root := newRoot(app)
	root.SetArgs(args)
	app.json = asksForJSON(args) // a mistake before --json on the command line is told as JSON too
	return app.exit(ctx, root.ExecuteContext(ctx))
}

func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}

// addJSON gives a command that prints data its --json.
func (a *App) addJSON(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print "+what+" as JSON on standard output, an error as well")
}
