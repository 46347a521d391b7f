package audit

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/kernels"
)

// WriteText prints a report for people: what the wheel says, device code, GPUs, kernels, shared objects, symbols and
// findings, each a table.
func (r *Report) WriteText(out io.Writer, color bool) error {
	sections := []*ui.Table{r.headTable(), r.codeTable()}
	for _, coverage := range r.GPUs {
		sections = append(sections, coverage.table())
	}
	sections = append(sections, r.kernelTable(), r.allKernelsTable(), r.compilerTable(), r.objectTable(), r.dllTable(), r.neededTable(), r.symbolTable(), r.findingTable())
	return writeTables(out, color, sections)
}

// writeTables prints tables that have rows, with blank lines between.
func writeTables(out io.Writer, color bool, tables []*ui.Table) error {
	first := true
	for _, table := range tables {
		if len(table.Rows) == 0 {
			continue
		}
		if !first {
			fmt.Fprintln(out)
		}
		first = false
		printable(table)
		if err := table.Write(out, color); err != nil {
			return err
		}
	}
	return nil
}

// printable replaces control characters: names come from the wheel, and must not steer a terminal.
func printable(table *ui.Table) {
	clean := func(text string) string { return ui.Printable(strings.NewReplacer("\n", " ", "\t", " ").Replace(text)) }
	for at := range table.Header {
		table.Header[at] = clean(table.Header[at])
	}
	for _, row := range table.Rows {
		for at := range row {
			row[at].Text = clean(row[at].Text)
		}
	}
}

func (r *Report) headTable() *ui.Table {
	table := &ui.Table{}
	add := func(name, value string) {
		if value != "" {
			table.Add(ui.Cell{Text: name, Color: ui.Bold}, ui.Text(value))
		}
	}
	add("wheel", r.Name)
	add("size", ui.Size(r.Size).String())
	add("sha256", r.SHA256)
	add("name", strings.TrimSpace(r.Metadata.Name+" "+r.Metadata.Version))
	add("build", r.Info.Build)
	add("tags", strings.Join(r.Info.Tags, " "))
	add("requires", strings.Join(r.requires(), "; "))
	add("floor", r.floorText())
	add("compiler", r.compilerText())
	switch {
	case r.Torch == nil:
	case r.Torch.Path == "":
		add("torch", "no symbol of it is needed")
	default:
		add("torch", fmt.Sprintf("%s asked of %s, %d missing", ui.Count(r.Torch.Asked, "symbol"), ui.Plural(r.Torch.Libraries, "library", "libraries"), len(r.Torch.Missing)))
	}
	return table
}

// requires lists the Python and the packages that the wheel needs, without the packages that only extras need.
func (r *Report) requires() []string {
	var list []string
	if r.Metadata.RequiresPython != "" {
		list = append(list, "Python "+r.Metadata.RequiresPython)
	}
	for _, requirement := range r.Metadata.RequiresDist {
		if !strings.Contains(requirement, "extra ==") {
			list = append(list, requirement)
		}
	}
	return list
}

func (r *Report) floorText() string {
	if !slices.ContainsFunc(r.Objects, isELF) {
		return ""
	}
	tag := r.Floor.Manylinux
	if tag == "" {
		tag = "newer than every known manylinux tag"
	}
	return tag + " (" + r.Floor.String() + ")"
}

func (r *Report) codeTable() *ui.Table {
	table := &ui.Table{Header: []string{"device code", "section", "kind", "sm", "version", "packed", "entries", "bytes", "unpacked"}}
	last := ""
	for _, c := range r.Code {
		table.Add(ui.Text(once(&last, c.Member)), ui.Text(dash(c.Section)), ui.Text(string(c.Kind)), ui.Text(c.Arch.String()),
			ui.Text(dash(c.Version)), ui.Text(dash(c.Compression)), ui.Number(fmt.Sprint(c.Entries)),
			ui.Number(ui.Size(c.Stored).String()), ui.Number(ui.Size(c.Bytes).String()))
	}
	return table
}

// once returns a name the first time of a run, so that a table shows it once.
func once(last *string, name string) string {
	if *last == name {
		return ""
	}
	*last = name
	return name
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// table shows how GPUs load some files; the heading of the table names the files.
func (c Coverage) table() *ui.Table {
	table := &ui.Table{Header: []string{"sm", "loads", "gpus", few(c.Members)}}
	for _, gpu := range c.GPUs {
		table.Add(ui.Text(gpu.SM.String()), ui.Cell{Text: gpu.text(c.Units), Color: wayColors[gpu.Worst()]}, ui.Text(strings.Join(gpu.Names, ", ")))
	}
	return table
}

// few names files in a heading: every file if there are few.
func few(names []string) string {
	const most = 3
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

var wayColors = map[kernels.Way]ui.Color{
	kernels.Native: ui.Green, kernels.SameMajor: ui.Green, kernels.JIT: ui.Yellow, kernels.None: ui.Red,
}

// text is "native", "JIT (PTX 9.0)", or where fatbins differ "native in 3, no in 1 of 4 fatbins".
func (g GPU) text(units int) string {
	var parts []string
	for _, way := range kernels.Ways {
		switch count := g.Ways[way]; {
		case count == units && way != kernels.Native && way != kernels.None:
			return way.String() + " (" + strings.Join(g.From, ", ") + ")"
		case count == units:
			return way.String()
		case count > 0:
			parts = append(parts, fmt.Sprintf("%s in %d", way, count))
		}
	}
	return strings.Join(parts, ", ") + " of " + ui.Count(units, "fatbin")
}

func (r *Report) kernelTable() *ui.Table {
	table := &ui.Table{Header: []string{"kernels of", "sm", "count", "registers", "shared", "stack", "with stack"}}
	last := ""
	for _, g := range r.Kernels {
		table.Add(ui.Text(once(&last, g.Member)), ui.Text(g.Arch.String()), ui.Number(fmt.Sprint(g.Count)), ui.Number(fmt.Sprint(g.MaxRegisters)),
			ui.Number(fmt.Sprint(g.MaxShared)), ui.Number(fmt.Sprint(g.MaxStack)), ui.Number(fmt.Sprint(g.WithStack)))
	}
	return table
}

func (r *Report) allKernelsTable() *ui.Table {
	table := &ui.Table{Header: []string{"file", "sm", "registers", "shared", "stack", "kernel"}}
	last := ""
	for _, g := range r.Kernels {
		for _, k := range g.Kernels {
			table.Add(ui.Text(once(&last, g.Member)), ui.Text(g.Arch.String()), ui.Number(fmt.Sprint(k.Registers)),
				ui.Number(fmt.Sprint(k.Shared)), ui.Number(fmt.Sprint(k.Stack)), ui.Text(k.Name))
		}
	}
	return table
}

func (r *Report) objectTable() *ui.Table {
	table := &ui.Table{Header: []string{"shared object", "machine", "size", "glibc", "glibcxx", "cxxabi", "runs on", "stripped", "run path"}}
	for _, o := range r.Objects {
		if !isELF(o) {
			continue
		}
		table.Add(ui.Text(o.Member), ui.Text(o.Machine), ui.Number(ui.Size(o.Size).String()), ui.Text(dash(o.Floor.Glibc)),
			ui.Text(dash(o.Floor.Libstdcxx)), ui.Text(dash(o.Floor.CXXABI)), ui.Text(dash(o.Floor.Manylinux)),
			ui.Text(yesNo(o.Stripped)), ui.Text(dash(strings.Join(o.RPath, ":"))))
	}
	return table
}

// dllTable shows the facts that only the libraries of Windows have.
func (r *Report) dllTable() *ui.Table {
	table := &ui.Table{Header: []string{"library", "machine", "size", "linked", "stripped", "loads at the first call", "debug information"}}
	for _, o := range r.Objects {
		if isELF(o) {
			continue
		}
		table.Add(ui.Text(o.Member), ui.Text(o.Machine), ui.Number(ui.Size(o.Size).String()), ui.Text(dash(o.Linked)),
			ui.Text(yesNo(o.Stripped)), ui.Text(dash(strings.Join(o.Delayed, " "))), ui.Text(dash(o.PDB)))
	}
	return table
}

func yesNo(value bool) string {
	if value {
		return "yes"
	}
	return "no"
}

// neededTable marks libraries that neither the wheel nor every system has.
func (r *Report) neededTable() *ui.Table {
	table := &ui.Table{Header: []string{"needs", "libraries of others", "of the system or the wheel"}}
	for _, o := range r.Objects {
		var known []string
		for _, library := range o.Libraries() {
			if !slices.Contains(o.External, library) {
				known = append(known, library)
			}
		}
		table.Add(ui.Text(o.Member), ui.Text(dash(strings.Join(o.External, " "))), ui.Text(dash(strings.Join(known, " "))))
	}
	return table
}

func (r *Report) symbolTable() *ui.Table {
	table := &ui.Table{Header: []string{"undefined in", "from", "symbols", "weak", "such as"}}
	last := ""
	for _, g := range r.Symbols {
		table.Add(ui.Text(once(&last, g.Member)), ui.Text(string(g.Group)), ui.Number(fmt.Sprint(g.Count)), ui.Number(fmt.Sprint(g.Weak)),
			ui.Text(shorten(demangled(g.Symbols[0]))))
	}
	return table
}

// shorten keeps long names from filling the screen.
func shorten(name string) string {
	const most = 80
	letters := []rune(name)
	if len(letters) <= most {
		return name
	}
	return string(letters[:most]) + "…"
}

var severityColors = map[finding.Severity]ui.Color{finding.Error: ui.Red, finding.Warning: ui.Yellow}

// shownFindings is how many findings of one code people see without --all.
const shownFindings = 5

func (r *Report) findingTable() *ui.Table {
	table := &ui.Table{Header: []string{"finding", "code", "file", "what"}}
	type kind struct {
		severity finding.Severity
		code     finding.Code
	}
	counts := map[kind]int{}
	for _, f := range r.Findings {
		counts[kind{f.Severity, f.Code}]++
	}
	shown := map[kind]int{}
	for _, f := range r.Findings {
		of := kind{f.Severity, f.Code}
		severity := ui.Cell{Text: string(f.Severity), Color: severityColors[f.Severity]}
		rest := counts[of] - shownFindings
		switch shown[of]++; {
		case r.all || rest <= 1 || shown[of] <= shownFindings:
			table.Add(severity, ui.Text(string(f.Code)), ui.Text(dash(f.Member)), ui.Text(f.text()))
		case shown[of] == shownFindings+1:
			table.Add(severity, ui.Text(string(f.Code)), ui.Text("-"), ui.Text(ui.Count(rest, "more finding")+" of this code; --all lists them"))
		}
	}
	return table
}

func (f Finding) text() string {
	if f.Rule != nil {
		return f.Rule.String() + ": " + f.Message
	}
	return f.Message
}
