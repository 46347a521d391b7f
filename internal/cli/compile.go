package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/run"
)

const compileHelp = `Compile builds the native code that wheels share, and no wheel: the kernels of one SM by the compiler of one CUDA
(kernels-cu129-sm90), the host library of one platform (host-linux). The names of these parts and patterns select them; a
target or a group means the parts of its wheels, and no name at all means every part.

With --output each part is left in a directory of its own, and a bake with --parts packs wheels of them on any machine and
compiles nothing; a part that was compiled from other sources is refused. With --cache-to the parts go to a cache of BuildKit
too, which spares a later compile what did not change, mostly: BuildKit may still build a step whose result it could have
found there. Such a cache is as small as the code, unless mode=max adds the compilers. 'sagebuild matrix --stages' lists
the parts.`

const compileExamples = `  sagebuild compile
  sagebuild compile 'kernels-cu129-*' host-linux
  sagebuild compile pytorch215 --output parts && sagebuild bake pytorch215 --parts parts
  sagebuild compile kernels-cu130-sm90 --cache-from type=gha,scope={part} --cache-to type=gha,scope={part}`

func newCompile(app *App) *cobra.Command {
	options := &buildOptions{jobs: 4, each: run.PartPlaceholder}
	cmd := &cobra.Command{
		Use:     "compile [PART|TARGET|GROUP|PATTERN]...",
		Short:   "Build the kernels and host libraries that wheels share, for a cache",
		Long:    compileHelp,
		Example: compileExamples,
		RunE:    func(cmd *cobra.Command, names []string) error { return runCompile(cmd.Context(), app, options, names) },
	}
	options.plan.addSourceFlags(cmd.Flags())
	options.addBuilderFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.parts, "output", "", "leave the parts in `DIR`, for bake --parts")
	app.addJSON(cmd, "the results")
	return cmd
}

func runCompile(ctx context.Context, app *App, options *buildOptions, names []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load(ctx)
	if err != nil {
		return err
	}
	parts, err := bake.SelectParts(p.Matrix, p.Kernels, names)
	if err != nil {
		return err
	}
	if err := options.checkCaches(len(parts)); err != nil {
		return err
	}
	plan, err := bake.NewPartPlan(p.Matrix, p.Kernels, parts, options.planOptions("compile"))
	if err != nil {
		return err
	}
	r, err := options.newRun(app, p, plan)
	if err != nil || r == nil {
		return err
	}
	done, err := place(r, options.parts)
	if err != nil {
		return err
	}
	defer done()
	return options.execute(ctx, app, r, (*run.Run).Compile)
}
