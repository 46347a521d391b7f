package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

type rebuiltJSON struct {
	Wheels []*run.Rebuilt `json:"wheels"`
}

// writeRebuilt prints the wheels in the order of the plan. The error is that of the first build that failed, else it
// says how many wheels are not what they should be.
func writeRebuilt(app *App, options *verifyOptions, all []*run.Rebuilt, results []run.Result) error {
	if err := app.print(rebuiltJSON{all}, func(w io.Writer, _ bool) error { return writeWheels(w, all) }); err != nil {
		return err
	}
	if err := runError(results, "bake"); err != nil { // which shows the same build
		return err
	}
	var bad []*run.Rebuilt
	for _, wheel := range all {
		if wheel.Bad() {
			bad = append(bad, wheel)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return reported(diag.Mismatch, options.hint(bad[0]), "%d of %s failed", len(bad), ui.Count(len(all), "wheel"))
}

// hint is the command that shows more of what differs.
func (o *verifyOptions) hint(wheel *run.Rebuilt) string {
	switch {
	case wheel.Result == run.Unreadable:
		return "sagebuild matrix"
	case wheel.Result != run.Different:
		return diag.Command("sagebuild", "bake", wheel.Target)
	case wheel.Kept != "":
		return diag.Command("sagebuild", "audit", "--diff", wheel.Wheel, wheel.Kept)
	case o.keep == "":
		return diag.Command("sagebuild", "verify", "--keep", "rebuilt", wheel.Wheel)
	}
	return diag.Command("sagebuild", "audit", wheel.Wheel)
}

func writeWheels(w io.Writer, all []*run.Rebuilt) error {
	var text bytes.Buffer
	for i, wheel := range all {
		if i > 0 {
			fmt.Fprintln(&text)
		}
		writeWheel(&text, wheel)
	}
	_, err := io.WriteString(w, ui.Printable(text.String()))
	return err
}

func writeWheel(w io.Writer, r *run.Rebuilt) {
	fmt.Fprintln(w, r.Wheel)
	if r.Target != "" {
		fmt.Fprintf(w, "  target    %s\n", r.Target)
	}
	if r.SHA256 != "" {
		fmt.Fprintf(w, "  sha256    %s\n", r.SHA256)
	}
	switch {
	case r.Result == run.Identical && r.Cached:
		fmt.Fprintln(w, "  result    identical; every step came from the cache, --no-cache runs them again")
	case r.Result == run.Different:
		fmt.Fprintf(w, "  result    different\n  rebuilt   %s\n", r.Rebuilt)
	default:
		fmt.Fprintf(w, "  result    %s\n", r.Result)
	}
	if r.Revision != "" {
		fmt.Fprintf(w, "  commit    %s\n", r.Revision)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "  note      %s\n", note)
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(w, "  problem   %s\n", problem)
	}
	if r.Difference != nil {
		writeDifference(w, r.Difference)
	}
	if r.Failure != nil {
		writeFailure(w, r.Failure)
	}
}

func writeFailure(w io.Writer, failure *report.Failure) {
	fmt.Fprintf(w, "  failure   %s\n", strings.TrimSpace(failure.Step+" "+failure.Message))
	for _, line := range failure.Log {
		fmt.Fprintf(w, "            %s\n", line)
	}
}

// maxParts is how many differing parts of a member are printed for people; --json has all.
const maxParts = 12

func writeDifference(w io.Writer, d *wheel.ByteDifference) {
	for _, text := range d.Archive {
		fmt.Fprintf(w, "  zip       %s\n", text)
	}
	for _, m := range d.Members {
		fmt.Fprintf(w, "  member    %s%s\n", m.Name, sizes(m.A, m.B))
		for _, text := range m.Header {
			fmt.Fprintf(w, "            %s\n", text)
		}
		for i, part := range m.Parts {
			if i == maxParts {
				fmt.Fprintf(w, "            and %d more\n", len(m.Parts)-maxParts)
				break
			}
			fmt.Fprintf(w, "            %s%s\n", part.Name, where(part))
		}
	}
}

// sizes of the wheel and of what was built.
func sizes(a, b int64) string {
	switch {
	case b < 0:
		return ": was not built"
	case a < 0:
		return ": is not in the wheel"
	case a != b:
		return fmt.Sprintf(": %s, built %d", ui.Count(a, "byte"), b)
	}
	return ""
}

func where(part wheel.Part) string {
	if text := sizes(part.A, part.B); text != "" {
		return text
	}
	return fmt.Sprintf(": from byte %d of %d", part.At, part.A)
}
