package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

type verdictsJSON struct {
	Wheels []*verdict `json:"wheels"`
}

// writeVerdicts prints them in the order of the plan. The error is that of the first build that failed, else it says how
// many wheels are not what they should be.
func writeVerdicts(app *App, options *verifyOptions, plan *bake.Plan, all map[string]*verdict, rows []report.Row, errs []error) error {
	data := verdictsJSON{}
	var bad []*verdict
	for i, target := range plan.Targets {
		v := all[target.Cell]
		data.Wheels = append(data.Wheels, v)
		if errs[i] != nil {
			v.Result, v.Failure = string(rows[i].Outcome), rows[i].Failure
		}
		if v.bad() {
			bad = append(bad, v)
		}
	}
	if err := data.write(app); err != nil {
		return err
	}
	if err := runError(plan, errs); err != nil {
		return err
	}
	if len(bad) == 0 {
		return nil
	}
	return reported(diag.Verification, bad[0].hint(options), "%d of %s failed", len(bad), describe(len(all), "wheel"))
}

func (d verdictsJSON) write(app *App) error {
	if app.JSON {
		return app.Console.JSON(d)
	}
	for i, v := range d.Wheels {
		if i > 0 {
			fmt.Fprintln(app.Console.Out)
		}
		v.write(app.Console.Out)
	}
	return nil
}

// hint is the command that shows more of what differs.
func (v *verdict) hint(options *verifyOptions) string {
	switch {
	case v.Result != "different":
		return "sagebuild bake " + v.Target
	case v.Kept != "":
		return "sagebuild audit --diff " + v.Wheel + " " + v.Kept
	case options.keep == "":
		return "sagebuild verify --keep rebuilt " + v.Wheel
	}
	return "sagebuild audit " + v.Wheel
}

func (v *verdict) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n  target    %s\n", v.Wheel, v.Target)
	if v.SHA256 != "" {
		fmt.Fprintf(w, "  sha256    %s\n", v.SHA256)
	}
	switch {
	case v.Result == "identical" && v.Cached:
		fmt.Fprintln(w, "  result    identical; every step came from the cache, --no-cache runs them again")
	case v.Result == "different":
		fmt.Fprintf(w, "  result    different\n  rebuilt   %s\n", v.Rebuilt)
	default:
		fmt.Fprintf(w, "  result    %s\n", v.Result)
	}
	for _, problem := range v.Problems {
		fmt.Fprintf(w, "  problem   %s\n", problem)
	}
	if v.Difference != nil {
		writeDifference(w, v.Difference)
	}
	if v.Failure != nil {
		v.writeFailure(w)
	}
}

func (v *verdict) writeFailure(w io.Writer) {
	fmt.Fprintf(w, "  failure   %s\n", strings.TrimSpace(v.Failure.Step+" "+v.Failure.Message))
	for _, line := range v.Failure.Log {
		fmt.Fprintf(w, "            %s\n", line)
	}
}

// maxParts is how many differing parts of a member are printed for people; --json has all.
const maxParts = 12

func writeDifference(w io.Writer, d *wheel.Difference) {
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
		return fmt.Sprintf(": %d bytes, built %d", a, b)
	}
	return ""
}

func where(part wheel.Part) string {
	if text := sizes(part.A, part.B); text != "" {
		return text
	}
	return fmt.Sprintf(": from byte %d of %d", part.At, part.A)
}
