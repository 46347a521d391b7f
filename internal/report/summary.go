package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

// Outcome is how a target of a run ended.
type Outcome string

// The outcomes of a target.
const (
	Built    Outcome = "built"
	Passed   Outcome = "passed"     // every test of the wheel
	Cached   Outcome = "cached"     // every step came from BuildKit's cache
	UpToDate Outcome = "up to date" // the wheel was there already, and nothing was asked of BuildKit
	Failed   Outcome = "failed"
	Skipped  Outcome = "skipped" // never started, because the run stopped before
)

// Summary is the table that ends a run.
type Summary struct {
	Command string  `json:"command"` // bake, test or compile
	Seconds float64 `json:"seconds"` // of the whole run
	Rows    []Row   `json:"targets"`
}

// Row is one target of a Summary.
type Row struct {
	Target   string            `json:"target"`
	Outcome  Outcome           `json:"outcome"`
	Wheel    string            `json:"wheel,omitempty"`    // path of the wheel, or "" when there is none
	Size     int64             `json:"size,omitempty"`     // of the wheel or the part, in bytes
	SMs      []matrix.SM       `json:"sms,omitempty"`      // in the wheel or the part
	Excluded []bake.Exclusion  `json:"excluded,omitempty"` // SMs that the wheel leaves out, and why
	Seconds  float64           `json:"seconds"`            // of the steps that ran for it; what targets share counts for one of them
	Results  string            `json:"results,omitempty"`  // tests: path of the JUnit file
	Tests    *TestCount        `json:"tests,omitempty"`    // tests: what the JUnit file counts
	Versions map[string]string `json:"versions,omitempty"` // tests: what they ran with, by name (torch, python)
	Failure  *Failure          `json:"failure,omitempty"`  // set when Outcome is Failed
}

// TestCount counts the cases of a test run.
type TestCount struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// Failure says what failed, where, and what to do next.
type Failure struct {
	Step    string   `json:"step,omitempty"` // the step of the build, as BuildKit names it
	Message string   `json:"message"`
	Log     []string `json:"log,omitempty"` // last lines that the step printed
	Hint    string   `json:"hint,omitempty"`
}

// Failures counts the failed targets.
func (s Summary) Failures() int {
	count := 0
	for _, row := range s.Rows {
		if row.Outcome == Failed {
			count++
		}
	}
	return count
}

// total is the size of what was made, in bytes, and how much of it there is.
func (s Summary) total() (size int64, count int) {
	for _, row := range s.Rows {
		if row.Size > 0 {
			size, count = size+row.Size, count+1
		}
	}
	return size, count
}

// WriteText writes the table, what several targets come to, then each failure with its step and last lines. Targets that
// failed over the same thing share one text.
func (s Summary) WriteText(w io.Writer, color bool) error {
	if err := s.table().Write(w, color); err != nil {
		return err
	}
	if size, count := s.total(); count > 1 {
		if _, err := fmt.Fprintf(w, "\n%s, %s, in %.0f seconds\n", ui.Count(count, s.thing()), ui.Size(size), s.Seconds); err != nil {
			return err
		}
	}
	told := map[string]bool{}
	for _, row := range s.Rows {
		if row.Failure == nil || told[row.Failure.key()] {
			continue
		}
		told[row.Failure.key()] = true
		if _, err := io.WriteString(w, row.Failure.text(s.sharing(row.Failure))); err != nil {
			return err
		}
	}
	return nil
}

// sharing names the targets that failed over the same thing as f.
func (s Summary) sharing(f *Failure) string {
	var names []string
	for _, row := range s.Rows {
		if row.Failure != nil && row.Failure.key() == f.key() {
			names = append(names, row.Target)
		}
	}
	return strings.Join(names, ", ")
}

// key tells failures apart. The key leaves out the hint, because the hint may name the target.
func (f *Failure) key() string {
	return strings.Join(append([]string{f.Step, f.Message}, f.Log...), "\x00")
}

// thing is what a target makes.
func (s Summary) thing() string {
	if s.Command == "compile" {
		return "part"
	}
	return "wheel"
}

func (s Summary) table() *ui.Table {
	table := &ui.Table{Header: []string{"target", "result", "size", "seconds", "SMs", "wheel"}}
	columns := Row.wheelColumns
	switch s.Command {
	case "test":
		table.Header = []string{"target", "result", "passed", "failed", "skipped", "seconds", "torch", "python", "JUnit"}
		columns = Row.testColumns
	case "compile":
		table.Header = []string{"part", "result", "size", "seconds"}
		columns = Row.partColumns
	}
	for _, row := range s.Rows {
		outcome := ui.Cell{Text: string(row.Outcome), Color: row.Outcome.color()}
		table.Add(append([]ui.Cell{ui.Text(row.Target), outcome}, columns(row)...)...)
	}
	return table
}

func (o Outcome) color() ui.Color {
	switch o {
	case Failed:
		return ui.Red
	case Skipped:
		return ui.Yellow
	}
	return ui.Green
}

func (r Row) partColumns() []ui.Cell {
	size := "-"
	if r.Size > 0 {
		size = ui.Size(r.Size).String()
	}
	return []ui.Cell{ui.Number(size), ui.Number(r.time())}
}

func (r Row) wheelColumns() []ui.Cell {
	return append(r.partColumns(), ui.Text(orDash(words(r.SMs))), ui.Text(orDash(r.Wheel)))
}

func (r Row) testColumns() []ui.Cell {
	passed, failed, skipped := r.Tests.columns()
	return []ui.Cell{ui.Number(passed), ui.Number(failed), ui.Number(skipped), ui.Number(r.time()),
		ui.Text(orDash(r.Versions["torch"])), ui.Text(orDash(r.Versions["python"])), ui.Text(orDash(r.Results))}
}

func (r Row) time() string { return fmt.Sprintf("%.1f", r.Seconds) }

func (t *TestCount) columns() (passed, failed, skipped string) {
	if t == nil {
		return "-", "-", "-"
	}
	return fmt.Sprint(t.Passed), fmt.Sprint(t.Failed), fmt.Sprint(t.Skipped)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func (f *Failure) text(targets string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", targets, f.Message)
	if f.Step != "" {
		fmt.Fprintf(&b, "  step: %s\n", f.Step)
	}
	for _, line := range f.Log {
		fmt.Fprintf(&b, "  | %s\n", line)
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", f.Hint)
	}
	return b.String()
}
