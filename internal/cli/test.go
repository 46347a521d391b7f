package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/junit"
	"github.com/sagebuild/sagebuild/internal/report"
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
	p, err := options.plan.load()
	if err != nil {
		return err
	}
	selection, err := options.selectTests(p.matrix, names)
	if err != nil {
		return err
	}
	plan, err := options.makePlan(p, selection, options.wheel)
	if err != nil {
		return err
	}
	reportResults(plan)
	if options.print {
		return app.Console.JSON(plan)
	}
	return execute(ctx, app, p, &options.buildOptions, plan, options.testTarget)
}

// reportResults replaces the stage that fails with a test by the one that always hands the results over: a JUnit file
// outlives the failure that it describes.
func reportResults(plan *bake.Plan) {
	for i := range plan.Targets {
		target := &plan.Targets[i]
		target.Stage = bake.StageTestReport
		target.Steps[len(target.Steps)-1] = bake.StageTestReport
	}
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

// testTarget runs one target's tests and publishes what they wrote, whether they pass or not.
func (o *testOptions) testTarget(ctx context.Context, s *session, target bake.Target, row *report.Row) error {
	if o.wheel != "" {
		alone, err := s.staging.alone(o.wheel, target.Wheel)
		if err != nil {
			return err
		}
		target.Contexts["wheel"] = alone
	}
	dir, _, err := s.build(ctx, target)
	if err != nil {
		return blameMachine(err)
	}
	row.Outcome = report.Passed
	verdict := judge(dir, target, row)
	published, err := s.staging.publishDir(dir, filepath.Join("test-results", filepath.Base(target.Output)))
	if err != nil {
		return err
	}
	row.Results = relative(filepath.Join(published, "junit.xml"))
	return verdict
}

// judge reads what the stage test-report left: pytest's exit code and its JUnit file, which must agree.
func judge(dir string, target bake.Target, row *report.Row) error {
	code, err := os.ReadFile(filepath.Join(dir, "exit-code"))
	if err != nil {
		return fmt.Errorf("the tests left no exit code: %w", err)
	}
	status := strings.TrimSpace(string(code))
	results, err := readResults(filepath.Join(dir, "junit.xml"))
	if err != nil {
		return fmt.Errorf("pytest ended with exit code %s: %w", status, err)
	}
	row.Tests = &report.TestCount{Passed: results.Passed, Failed: results.Failed, Skipped: results.Skipped}
	row.Versions = results.Properties
	switch {
	case results.Failed > 0:
		row.Failure = &report.Failure{Log: failedTests(results)}
		return fmt.Errorf("%d of %s failed on torch %s, Python %s", results.Failed, describe(results.Tests, "test"), target.Torch, target.Python)
	case status != "0":
		return fmt.Errorf("pytest ended with exit code %s, though no test failed", status)
	case results.Passed == 0:
		return errors.New("no test passed: all were skipped")
	}
	return nil
}

func readResults(path string) (*junit.Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return junit.Parse(file)
}

// failedTests is a line for each.
func failedTests(results *junit.Report) []string {
	lines := make([]string, len(results.Failures))
	for i, failure := range results.Failures {
		lines[i] = failure.Name + ": " + failure.Message
	}
	return lines
}
