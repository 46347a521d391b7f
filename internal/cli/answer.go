package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// answer is what resolve prints.
type answer struct {
	Need     index.Need      `json:"need"`
	Wheel    string          `json:"wheel,omitempty"`
	Target   string          `json:"target,omitempty"`
	File     string          `json:"file,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
	Commands *index.Commands `json:"commands,omitempty"`
	Others   []otherWheel    `json:"others"`
	Facts    []string        `json:"facts,omitempty"`
}

type otherWheel struct {
	Wheel        string   `json:"wheel"`
	Fits         bool     `json:"fits"`
	Reasons      []string `json:"reasons"`
	OtherMachine bool     `json:"otherMachine"`
}

func newAnswer(need index.Need, verdicts []index.Verdict, site, dist string) answer {
	a := answer{Need: need, Others: []otherWheel{}}
	for i, v := range verdicts {
		if i == 0 && v.Fits() {
			commands := index.InstallCommands(v.Candidate, need, site, dist)
			a.Wheel, a.Target, a.File, a.Notes, a.Commands = v.Candidate.Filename, v.Candidate.Target, v.Candidate.File, v.Notes, &commands
			continue
		}
		reasons := v.Reasons
		if v.Fits() {
			reasons = append([]string{"it fits as well; the one above fits better or is newer"}, v.Notes...)
		}
		a.Others = append(a.Others, otherWheel{v.Candidate.Filename, v.Fits(), reasons, v.OtherMachine})
	}
	return a
}

// write writes the wheel and its commands, then the others, then the facts.
func (a answer) write(w io.Writer, color bool) error {
	var text bytes.Buffer
	if a.Wheel != "" {
		a.writeWheel(&text, color)
	}
	if err := a.otherTable().Write(&text, color); err != nil {
		return err
	}
	for _, fact := range a.Facts {
		fmt.Fprintln(&text, fact)
	}
	_, err := w.Write(text.Bytes())
	return err
}

func (a answer) writeWheel(text *bytes.Buffer, color bool) {
	fmt.Fprintf(text, "%s\n", ui.Paint(a.Wheel, ui.Green, color))
	for _, note := range a.Notes {
		fmt.Fprintf(text, "  note: %s\n", note)
	}
	if a.Commands.Build != "" {
		fmt.Fprintf(text, "\n  %s\n", a.Commands.Build)
	}
	fmt.Fprintf(text, "\n  %s\n  %s\n\n", a.Commands.Pip, a.Commands.Uv)
}

// listedWheels is how many of the others people see; they are sorted by how much is in the way.
const listedWheels = 20

// otherTable counts the wheels of other machines and those far from the need, and lists the rest.
func (a answer) otherTable() *ui.Table {
	table := &ui.Table{Header: []string{"other wheel", "because"}}
	if a.Wheel == "" {
		table.Header[0] = "wheel"
	}
	elsewhere, far := 0, 0
	for _, other := range a.Others {
		switch {
		case other.OtherMachine:
			elsewhere++
		case len(table.Rows) == listedWheels:
			far++
		default:
			table.Add(ui.Text(other.Wheel), ui.Text(strings.Join(other.Reasons, "; ")))
		}
	}
	if far > 0 {
		table.Add(ui.Text(ui.Count(far, "more wheel")), ui.Text("with as much or more in the way; --json lists all"))
	}
	if elsewhere > 0 {
		table.Add(ui.Text(ui.Count(elsewhere, "more wheel")), ui.Text("for another system or processor than "+a.Need.Platform))
	}
	return table
}
