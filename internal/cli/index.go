package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/ui"
)

const indexHelp = `Index turns a directory of wheels into a static site for pip and uv, with a simple index for each torch and CUDA:
SITE/simple/cu129/torch2.8/. Any web server can serve it. SITE/index.html asks people for torch, CUDA and Python and
shows the one command they need.

Without a choice of torch, SITE/simple/ serves the wheels that fit several torches, and sdists.

Every wheel is read and checked first. A site is replaced as a whole in one step, and keeps files that sagebuild did not
write. It never loses a wheel or changes one under the same name, unless told to.

Attestations beside the wheels (FILE.publish.attestation, PEP 740) are published with --publisher, which names the
workflow that signed them, and --url, the address that the site will have.

--check publishes nothing. It proves an index instead: the real pip and the real uv of this machine install every wheel of
dist/, or of the site that --output names, from its index on the loopback interface; each must choose exactly this file and
leave torch alone. docs/index.md says what that proves.`

func newIndex(app *App) *cobra.Command {
	var options index.Options
	var check bool
	var publisher, definition string
	cmd := &cobra.Command{
		Use:     "index",
		Short:   "Publish the wheels of dist/ as a static site for pip and uv",
		Long:    indexHelp,
		Example: "  sagebuild index\n  sagebuild index --dist wheels --output public\n  sagebuild index --allow-shrink\n  sagebuild index --check",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !check {
				if err := completeIndex(cmd.Context(), &options, publisher, definition); err != nil {
					return err
				}
				return runIndex(cmd.Context(), app, options)
			}
			source := siteOptions{dist: options.Dist}
			if cmd.Flags().Changed("output") {
				source.site = options.Output
			}
			return runCheck(cmd.Context(), app, source)
		},
	}
	cmd.Flags().StringVar(&options.Dist, "dist", "dist", "`DIR`ectory with wheels")
	cmd.Flags().StringVar(&options.Output, "output", "site", "`DIR`ectory that is the site")
	cmd.Flags().BoolVar(&options.AllowShrink, "allow-shrink", false, "let published wheels disappear that are no longer in dist/")
	cmd.Flags().BoolVar(&options.Replace, "replace", false, "let published wheels change under the same name")
	cmd.Flags().StringVar(&options.URL, "url", "", "`URL` at which the site will be served")
	cmd.Flags().StringVar(&publisher, "publisher", "", "workflow that signed the attestations: `github:OWNER/REPOSITORY/FILE`")
	cmd.Flags().StringVar(&definition, "matrix", "", "matrix definition `FILE`, which names the GPUs (default: the built-in one)")
	cmd.Flags().BoolVar(&check, "check", false, "publish nothing, prove for every wheel that pip and uv install it")
	app.addJSON(cmd, "the published wheels, or the proofs")
	return cmd
}

// completeIndex reads what the flags name.
func completeIndex(ctx context.Context, options *index.Options, publisher, definition string) (err error) {
	if options.URL != "" && !isURL(options.URL) {
		return diag.Usagef("sagebuild index --url https://HOST/", "--url %s is no address of a web server", options.URL)
	}
	if publisher != "" {
		if options.Publisher, err = index.ParsePublisher(publisher); err != nil {
			return err
		}
	}
	options.Matrix, err = loadMatrix(ctx, definition)
	return err
}

func runIndex(ctx context.Context, app *App, options index.Options) error {
	result, err := index.Build(ctx, options)
	if err != nil {
		return err
	}
	return app.print(result, func(w io.Writer, color bool) error {
		if err := publishedTable(result).Write(w, color); err != nil {
			return err
		}
		app.Console.Note("published %s: %s", result.Output, changes(result))
		if left := index.Unattested(options, slices.Concat(result.Wheels, result.Sdists)); left > 0 {
			app.Console.Note("%s left out: --publisher says who signed", ui.Count(left, "attestation"))
		}
		return nil
	})
}

func publishedTable(r *index.Result) *ui.Table {
	table := &ui.Table{Header: []string{"index", "wheel", "size"}}
	for _, entry := range slices.Concat(r.Wheels, r.Sdists) {
		table.Add(ui.Text(entry.Channel.Dir()+"/"), ui.Text(entry.Filename), ui.Number(ui.Size(entry.Size).String()))
	}
	return table
}

func changes(r *index.Result) string {
	return fmt.Sprintf("%s added, %d changed, %d removed, %d kept", ui.Count(len(r.Added), "file"), len(r.Changed), len(r.Removed), r.Kept)
}
