package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/hub"
	"github.com/sagebuild/sagebuild/internal/ui"
)

const exportHelp = `Export turns universal wheels into a form that is installed otherwise than by pip.

hf-kernels is a directory that Hugging Face's kernels loads: one build for every torch and Python, and for the platforms
of all wheels that are named, with the digest of each file. Its operators have a namespace of their own, so that it lives
beside an installed wheel. diffusers loads it for its backend sage_hub where
LOCAL_KERNELS=SageAttention/sage-attention=DIR is set, and so does every program that asks the Hub for that kernel.

Wheels are read and checked first, and must be of one build: they may differ in their library alone. The directory is
replaced as a whole in one step; a directory that holds something else is left alone.`

const exportExamples = `  sagebuild bake universal
  sagebuild export --format hf-kernels
  sagebuild export --format hf-kernels --output /srv/sage dist/sageattention-2.2.0-py3-none-manylinux_2_17_x86_64.whl
  python -c 'from kernels import get_local_kernel; print(get_local_kernel("hf-kernels").describe())'
  LOCAL_KERNELS=SageAttention/sage-attention=$PWD/hf-kernels python generate.py`

// exportFormats are what --format takes.
var exportFormats = []string{"hf-kernels"}

type exportOptions struct{ format, dist, output string }

func newExport(app *App) *cobra.Command {
	var options exportOptions
	cmd := &cobra.Command{
		Use:     "export --format FORMAT [WHEEL...]",
		Short:   "Write universal wheels as a directory for Hugging Face's kernels",
		Long:    exportHelp,
		Example: exportExamples,
		RunE:    func(_ *cobra.Command, wheels []string) error { return runExport(app, options, wheels) },
	}
	cmd.Flags().StringVar(&options.format, "format", "", "what to write: hf-kernels")
	cmd.Flags().StringVar(&options.dist, "dist", "dist", "`DIR`ectory whose universal wheels are taken where no WHEEL is named")
	cmd.Flags().StringVar(&options.output, "output", "hf-kernels", "`DIR`ectory to write")
	app.addJSON(cmd, "what was written")
	return cmd
}

func runExport(app *App, options exportOptions, wheels []string) error {
	if err := options.checkFormat(); err != nil {
		return err
	}
	if len(wheels) == 0 {
		var err error
		if wheels, err = universalWheels(options.dist); err != nil {
			return err
		}
	}
	result, err := hub.Export(hub.Options{Wheels: wheels, Output: options.output})
	if err != nil {
		return err
	}
	return app.print(result, func(io.Writer, bool) error {
		app.Console.Note("exported %s %s to %s: %s; %s, %s", hub.Package, result.Version, result.Output,
			strings.Join(result.Platforms, ", "), ui.Count(result.Files, "file"), ui.Size(result.Size))
		app.Console.Note("for diffusers: LOCAL_KERNELS=%s", diag.Quote(hub.Repository+"="+result.Output))
		return nil
	})
}

func (o exportOptions) checkFormat() error {
	for _, known := range exportFormats {
		if o.format == known {
			return nil
		}
	}
	const hint = "sagebuild export --format hf-kernels"
	if o.format == "" {
		return diag.Usagef(hint, "export wants --format: %s", strings.Join(exportFormats, ", "))
	}
	message := fmt.Sprintf("unknown format %q", o.format)
	if near := diag.Suggest(o.format, exportFormats); near != "" {
		message += fmt.Sprintf(", did you mean %q?", near)
	}
	return diag.Usagef(hint, "%s", message)
}

// universalWheels lists those of a directory.
func universalWheels(dist string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dist, "*.whl"))
	if err != nil {
		return nil, err
	}
	var wheels []string
	for _, file := range files {
		if hub.Universal(filepath.Base(file)) {
			wheels = append(wheels, file)
		}
	}
	if len(wheels) == 0 {
		return nil, diag.Usagef("sagebuild bake universal", "there are no universal wheels in %s", dist)
	}
	return wheels, nil
}
