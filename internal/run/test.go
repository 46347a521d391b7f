package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/junit"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// test runs one target's tests and publishes what they wrote, whether they pass or not.
func (s *session) test(ctx context.Context, target bake.Target, row *report.Row) error {
	dir, result, err := s.build(ctx, target)
	if err != nil {
		return err
	}
	row.Seconds = result.StepTime.Seconds()
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
		return fmt.Errorf("%d of %s failed on torch %s, Python %s", results.Failed, ui.Count(results.Tests, "test"), target.Torch, target.Python)
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
