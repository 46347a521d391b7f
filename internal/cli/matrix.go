package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const matrixHelp = `Matrix lists the cells of the definition, each with its wheel and its SMs, the groups, and the SMs that a CUDA leaves
out with the reason. Names of targets and groups, and patterns, select cells.

With --stages it lists the native code that the wheels share, part by part, which 'sagebuild compile' builds.

With --github it prints the value of a GitHub Actions strategy.matrix instead: one entry a cell, or with --shards at
most that many entries, cells of one CUDA side by side. With --github --stages it prints two such values, "parts" for
the jobs that compile and "cells" for the jobs that import what was compiled and pack wheels. GitHub takes 256 entries.`

const matrixExamples = `  sagebuild matrix
  sagebuild matrix pytorch28 'linux-*-python310'
  sagebuild matrix --matrix mine.hcl --json
  sagebuild matrix pytorch215 --stages
  sagebuild matrix sage2-all --github --shards 3
  sagebuild matrix everything --github --stages --shards 20`

type matrixOptions struct {
	file   string
	github bool
	stages bool
	shards int
}

func newMatrix(app *App) *cobra.Command {
	var options matrixOptions
	cmd := &cobra.Command{
		Use:     "matrix [TARGET|GROUP|PATTERN]...",
		Short:   "List cells, groups and SMs, and the reasons for what is left out",
		Long:    matrixHelp,
		Example: matrixExamples,
		RunE:    func(cmd *cobra.Command, names []string) error { return runMatrix(cmd.Context(), app, options, names) },
	}
	cmd.Flags().StringVar(&options.file, "matrix", "", "matrix definition `FILE` (default: the built-in one)")
	cmd.Flags().BoolVar(&options.github, "github", false, "print the include list of a GitHub Actions matrix job")
	cmd.Flags().BoolVar(&options.stages, "stages", false, "list the parts that wheels share; with --github, jobs for parts and jobs for cells")
	cmd.Flags().IntVar(&options.shards, "shards", 0, "with --github: at most `N` entries a list, instead of one a cell")
	app.addJSON(cmd, "the matrix")
	return cmd
}

func runMatrix(ctx context.Context, app *App, options matrixOptions, names []string) error {
	if options.shards < 0 || options.shards > 0 && !options.github {
		return diag.Usagef("sagebuild matrix --github --shards 3", "--shards wants a positive number and --github")
	}
	m, err := loadMatrix(ctx, options.file)
	if err != nil {
		return err
	}
	set, err := kernels.Default()
	if err != nil {
		return err
	}
	if err := set.CheckImages(m); err != nil {
		return err
	}
	selection, err := selectCells(m, names)
	if err != nil {
		return err
	}
	switch {
	case options.github:
		return options.printGitHub(app, names, report.NewStages(m, set, selection, options.shards))
	case options.stages:
		sharing := report.NewSharing(m, set, selection)
		return app.print(sharing, sharing.WriteText)
	}
	return app.print(newMatrixJSON(m, selection), func(w io.Writer, color bool) error {
		return ui.WriteTables(w, color, matrixTables(m, selection, len(names) == 0))
	})
}

// printGitHub prints on one line what GitHub takes as a matrix, or with --stages two of them.
func (o matrixOptions) printGitHub(app *App, names []string, stages report.Stages) error {
	var value any = stages.Cells
	most := len(stages.Cells.Entries)
	if o.stages {
		value, most = stages, max(most, len(stages.Parts.Entries))
	}
	if most > report.GitHubLimit {
		return diag.Usagef(o.fittingCommand(names), "%s: GitHub makes %d at most of one matrix", ui.Count(most, "job"), report.GitHubLimit)
	}
	return json.NewEncoder(app.Console.Out).Encode(value)
}

// fittingCommand is the command with as many shards as GitHub takes.
func (o matrixOptions) fittingCommand(names []string) string {
	words := append([]string{"sagebuild", "matrix"}, names...)
	words = append(words, "--github")
	if o.stages {
		words = append(words, "--stages")
	}
	return diag.Command(append(words, "--shards", fmt.Sprint(report.GitHubLimit))...)
}

// selectCells selects every cell where nothing is named, and a test's cell where a test is.
func selectCells(m *matrix.Matrix, names []string) ([]matrix.Selection, error) {
	if len(names) == 0 {
		names = []string{"*"}
	}
	return m.Select(names)
}

type matrixJSON struct {
	Definition string         `json:"definition"`
	Cells      []cellJSON     `json:"cells"`
	Groups     []matrix.Group `json:"groups"`
	SMs        []smJSON       `json:"sms"`
}

type cellJSON struct {
	Target string   `json:"target"`
	Tests  []string `json:"tests"`
	Wheel  string   `json:"wheel"`
	matrix.Cell
}

type smJSON struct {
	SM   matrix.SM `json:"sm"`
	GPUs []string  `json:"gpus"`
}

func newMatrixJSON(m *matrix.Matrix, selection []matrix.Selection) matrixJSON {
	result := matrixJSON{Definition: m.File(), Groups: m.Groups()}
	for _, cell := range report.CellsOf(selection) {
		result.Cells = append(result.Cells, cellJSON{cell.Target(), cell.TestTargets(), cell.WheelName(), cell})
	}
	for _, sm := range m.Capabilities() {
		result.SMs = append(result.SMs, smJSON{sm, m.GPUs(sm)})
	}
	return result
}

// matrixTables are the cells and what they leave out; groups and SMs only where the whole matrix is asked for.
func matrixTables(m *matrix.Matrix, selection []matrix.Selection, whole bool) []*ui.Table {
	tables := []*ui.Table{cellTable(selection), exclusionTable(selection)}
	if whole {
		tables = append(tables, groupTable(m), smTable(m))
	}
	return tables
}

func cellTable(selection []matrix.Selection) *ui.Table {
	table := &ui.Table{Header: []string{"target", "torch", "cuda", "python", "sms", "wheel"}}
	for _, c := range report.CellsOf(selection) {
		table.Add(ui.Text(c.Target()), ui.Text(c.TorchWords()), ui.Text(c.CUDA.String()), ui.Text(c.PythonWords()),
			ui.Text(joinSMs(c.SMs)), ui.Text(c.WheelName()))
	}
	return table
}

// exclusionTable has a line for each CUDA and SM that it leaves out.
func exclusionTable(selection []matrix.Selection) *ui.Table {
	table := &ui.Table{Header: []string{"cuda", "leaves out", "because", "source"}}
	seen := map[matrix.Version]bool{}
	for _, s := range selection {
		if seen[s.Cell.CUDA] {
			continue
		}
		seen[s.Cell.CUDA] = true
		for _, e := range s.Cell.Excluded {
			table.Add(ui.Text(s.Cell.CUDA.String()), ui.Text(e.SM.String()), ui.Text(e.Reason()), ui.Text(e.Rule.Source))
		}
	}
	return table
}

func groupTable(m *matrix.Matrix) *ui.Table {
	table := &ui.Table{Header: []string{"group", "targets"}}
	for _, group := range m.Groups() {
		first := group.Targets[0]
		if more := len(group.Targets) - 1; more > 0 {
			first = fmt.Sprintf("%s and %d more", first, more)
		}
		table.Add(ui.Text(group.Name), ui.Text(first))
	}
	return table
}

func smTable(m *matrix.Matrix) *ui.Table {
	table := &ui.Table{Header: []string{"sm", "gpus"}}
	for _, sm := range m.Capabilities() {
		table.Add(ui.Text(sm.String()), ui.Text(strings.Join(m.GPUs(sm), ", ")))
	}
	return table
}

func joinSMs(sms []matrix.SM) string {
	all := make([]string, len(sms))
	for i, sm := range sms {
		all[i] = sm.String()
	}
	return strings.Join(all, " ")
}
