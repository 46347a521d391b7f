package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/ui"
)

const indexHelp = `Index turns a directory of wheels into a static site for pip and uv, with a simple index for each torch and CUDA:
SITE/simple/cu129/torch2.8/. Any web server can serve it. SITE/index.html asks people for torch, CUDA and Python and
shows the one command they need.

Every wheel is verified first. A site is replaced as a whole in one step, and keeps files that sagebuild did not write.
It never loses a wheel or changes one under the same name, unless told to.`

func newIndex(app *App) *cobra.Command {
	var options index.Options
	cmd := &cobra.Command{
		Use:     "index",
		Short:   "Publish the wheels of dist/ as a static site for pip and uv",
		Long:    indexHelp,
		Example: "  sagebuild index\n  sagebuild index --dist wheels --output public\n  sagebuild index --allow-shrink",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runIndex(cmd.Context(), app, options) },
	}
	cmd.Flags().StringVar(&options.Dist, "dist", "dist", "`DIR`ectory with wheels")
	cmd.Flags().StringVar(&options.Output, "output", "site", "`DIR`ectory that is the site")
	cmd.Flags().BoolVar(&options.AllowShrink, "allow-shrink", false, "let published wheels disappear that are no longer in dist/")
	cmd.Flags().BoolVar(&options.Replace, "replace", false, "let published wheels change under the same name")
	app.addJSON(cmd, "the published wheels")
	return cmd
}

func runIndex(ctx context.Context, app *App, options index.Options) error {
	result, err := index.Build(ctx, options)
	if err != nil {
		return err
	}
	if app.JSON {
		return app.Console.JSON(result)
	}
	table := &ui.Table{Header: []string{"index", "wheel", "size"}}
	for _, entry := range result.Wheels {
		table.Add(ui.Text(entry.Channel.Dir()+"/"), ui.Text(entry.Filename), ui.Number(ui.Size(entry.Size).String()))
	}
	if err := table.Write(app.Console.Out, app.Console.OutColor); err != nil {
		return err
	}
	app.Console.Note("published %s: %s", result.Output, changes(result))
	return nil
}

func changes(r *index.Result) string {
	return fmt.Sprintf("%d wheels added, %d changed, %d removed, %d kept", len(r.Added), len(r.Changed), len(r.Removed), r.Kept)
}
