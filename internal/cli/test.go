package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/matrix"
)

const testHelp = `Test installs the wheel of each target into a container with that cell's real torch and CPython and runs pytest
there. No GPU is needed. Targets, groups and patterns mean the tests of their cells, with or without the prefix test-.

The wheel is built where the cache does not hold it; with --wheel a given file is tested instead. JUnit XML and pytest's
exit code are left in dist/test-results/TARGET/, whether the tests pass or not. The run ends with a table, and with the
names of the tests that failed.

One torch takes 16 GB of state, so targets are tested one at a time unless --jobs says otherwise.`

const testExamples = `  sagebuild test
  sagebuild test pytorch28
  sagebuild test test-all --keep-going --state /mnt/large/sagebuild
  sagebuild test --wheel dist/sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl
  sagebuild test stable --print`

type testOptions struct {
	buildOptions
	wheel string
}

func newTest(app *App) *cobra.Command {
	options := &testOptions{buildOptions: buildOptions{jobs: 1}}
	cmd := &cobra.Command{
		Use:     "test [TARGET|GROUP|PATTERN]...",
		Short:   "Test wheels against their real torch and CPython",
		Long:    testHelp,
		Example: testExamples,
		RunE:    func(cmd *cobra.Command, names []string) error { return runTest(cmd.Context(), app, options, names) },
	}
	options.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.wheel, "wheel", "", "test this `FILE` instead of building a wheel; its name says the target where none is given")
	app.addJSON(cmd, "the results")
	return cmd
}

func runTest(ctx context.Context, app *App, options *testOptions, names []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load(ctx)
	if err != nil {
		return err
	}
	selection, err := options.selectTests(p.Matrix, names)
	if err != nil {
		return err
	}
	r, err := options.prepare(app, "test", p, selection, options.wheel)
	if err != nil || r == nil {
		return err
	}
	return options.execute(ctx, app, r, (*run.Run).Test)
}

func (o *testOptions) selectTests(m *matrix.Matrix, names []string) ([]matrix.Selection, error) {
	if o.wheel == "" {
		return m.SelectTests(names)
	}
	if info, err := os.Stat(o.wheel); err != nil || !info.Mode().IsRegular() {
		return nil, diag.Usagef("ls dist", "--wheel %s is no file", o.wheel)
	}
	if len(names) == 0 {
		target, err := cellOfWheel(m, filepath.Base(o.wheel), "sagebuild test --wheel FILE TARGET")
		if err != nil {
			return nil, err
		}
		names = []string{target}
	}
	selection, err := m.SelectTests(names)
	if err != nil {
		return nil, err
	}
	return selection, singleTarget(selection, "--wheel")
}
