package audit

import (
	"fmt"
	"io"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
)

// WriteText prints the changes. It cuts a list of names after most lines; with most 0 it prints every name.
func (d *Changes) WriteText(out io.Writer, color bool, most int) error {
	return writeTables(out, color, []*ui.Table{d.headTable(), d.codeTable(), d.fileTable(most), d.symbolTable(most), d.kernelTable(most)})
}

func (d *Changes) headTable() *ui.Table {
	table := &ui.Table{}
	table.Add(ui.Text("a"), ui.Text(d.A.Name), ui.Number(ui.Size(d.A.Size).String()))
	table.Add(ui.Text("b"), ui.Text(d.B.Name), ui.Number(ui.Size(d.B.Size).String()), ui.Number(delta(d.A.Size, d.B.Size)))
	return table
}

// delta is the change in bytes with its sign.
func delta(a, b int64) string {
	switch {
	case a == b:
		return "same"
	case a > b:
		return "-" + ui.Size(a-b).String()
	}
	return "+" + ui.Size(b-a).String()
}

// amount shows a size, a dash for none.
func amount(size int64) string {
	if size <= 0 {
		return "-"
	}
	return ui.Size(size).String()
}

func (d *Changes) codeTable() *ui.Table {
	table := &ui.Table{Header: []string{"kind", "sm", "a", "b", "change"}}
	for _, c := range d.Code {
		table.Add(ui.Text(string(c.Kind)), ui.Text(c.Arch.String()), ui.Number(amount(c.A)), ui.Number(amount(c.B)), ui.Number(delta(c.A, c.B)))
	}
	return table
}

func (d *Changes) fileTable(most int) *ui.Table {
	table := &ui.Table{Header: []string{"file", "a", "b", "change"}}
	for at, f := range d.Files {
		if cut(table, at, most, len(d.Files)) {
			break
		}
		change := delta(max(f.A, 0), max(f.B, 0))
		switch {
		case f.A < 0:
			change = "new"
		case f.B < 0:
			change = "gone"
		}
		table.Add(ui.Text(f.Name), ui.Number(amount(f.A)), ui.Number(amount(f.B)), ui.Number(change))
	}
	return table
}

// cut ends a table that is long enough.
func cut(table *ui.Table, at, most, all int) bool {
	if most <= 0 || at < most {
		return false
	}
	table.Add(ui.Text(fmt.Sprintf("… and %d more", all-at)))
	return true
}

func (d *Changes) symbolTable(most int) *ui.Table {
	table := &ui.Table{Header: []string{"symbol", "name"}}
	for at, s := range d.Symbols {
		if cut(table, at, most, len(d.Symbols)) {
			break
		}
		sign, color := "+ ", ui.Green
		if s.Side == "a" {
			sign, color = "- ", ui.Red
		}
		table.Add(ui.Cell{Text: sign + s.Kind, Color: color}, ui.Text(s.Name))
	}
	return table
}

func (d *Changes) kernelTable(most int) *ui.Table {
	table := &ui.Table{Header: []string{"sm", "registers", "shared", "stack", "kernel"}}
	for at, k := range d.Kernels {
		if cut(table, at, most, len(d.Kernels)) {
			break
		}
		numbers := func(of func(*device.Kernel) int64) ui.Cell { return ui.Number(change(k, of)) }
		table.Add(ui.Text(k.Arch.String()),
			numbers(func(k *device.Kernel) int64 { return int64(k.Registers) }),
			numbers(func(k *device.Kernel) int64 { return k.Shared }),
			numbers(func(k *device.Kernel) int64 { return k.Stack }),
			ui.Text(k.Name))
	}
	return table
}

// change is "16 → 24", or one number where both are the same.
func change(k KernelChange, of func(*device.Kernel) int64) string {
	side := func(kernel *device.Kernel) string {
		if kernel == nil {
			return "-"
		}
		return fmt.Sprint(of(kernel))
	}
	a, b := side(k.A), side(k.B)
	if a == b {
		return a
	}
	return a + " → " + b
}
