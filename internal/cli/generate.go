package cli

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
)

const generateHelp = `Generate writes the committed files that follow from the matrix definition, csrc/kernels.toml and the commands:
docker-bake.hcl, dockerfiles/Dockerfile, BUILD_MATRIX.md, docs/cli.md, and the tables of kernels in csrc/host and
python/sageattention. With --check it writes nothing and fails when
one of them is stale.`

const commandsFile = "docs/cli.md"

func newGenerate(app *App) *cobra.Command {
	var plan planOptions
	var check bool
	cmd := &cobra.Command{
		Use:     "generate",
		Short:   "Write docker-bake.hcl, the Dockerfile and what else follows from the definitions",
		Long:    generateHelp,
		Example: "  sagebuild generate\n  sagebuild generate --check",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runGenerate(cmd.Context(), app, cmd.Root(), plan, check)
		},
	}
	cmd.Flags().StringVar(&plan.matrix, "matrix", "", "matrix definition `FILE` (default: the built-in one)")
	cmd.Flags().StringVar(&plan.source, "source", ".", "`DIR`ectory with csrc/, which receives the files")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, fail when a file is stale")
	return cmd
}

func runGenerate(ctx context.Context, app *App, root *cobra.Command, options planOptions, check bool) error {
	p, err := options.load(ctx)
	if err != nil {
		return err
	}
	files, err := report.Generate(p.Matrix, p.Kernels)
	if err != nil {
		return err
	}
	if files[commandsFile], err = commandsMarkdown(root); err != nil {
		return err
	}
	stale := staleFiles(options.source, files)
	if check {
		if len(stale) > 0 {
			return &diag.Error{Class: diag.Failed, Message: "stale: " + strings.Join(stale, ", "), Hint: "sagebuild generate"}
		}
		return nil
	}
	for _, name := range stale {
		if err := writeGenerated(filepath.Join(options.source, name), files[name]); err != nil {
			return err
		}
		app.Console.Note("wrote %s", name)
	}
	return nil
}

// staleFiles lists, sorted, the files whose bytes below dir differ or that are not there.
func staleFiles(dir string, files map[string][]byte) []string {
	var stale []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if old, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(old, files[name]) {
			stale = append(stale, name)
		}
	}
	return stale
}

func writeGenerated(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
