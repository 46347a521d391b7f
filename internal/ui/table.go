package ui

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Cell is one field of a table.
type Cell struct {
	Text  string
	Color Color
	// Right aligns the text to the right, as numbers are.
	Right bool
}

// Text is a plain cell.
func Text(text string) Cell { return Cell{Text: text} }

// Number is a cell aligned to the right.
func Number(text string) Cell { return Cell{Text: text, Right: true} }

// Table lines its columns up; a row may be shorter than the header.
type Table struct {
	Header []string
	Rows   [][]Cell
}

// Add appends a row.
func (t *Table) Add(cells ...Cell) { t.Rows = append(t.Rows, cells) }

// Write prints the table with two spaces between columns and no space at the end of a line.
func (t *Table) Write(w io.Writer, color bool) error {
	rows := t.Rows
	if len(t.Header) > 0 {
		rows = append([][]Cell{t.header()}, rows...)
	}
	widths := columnWidths(rows)
	var text strings.Builder
	for _, row := range rows {
		writeRow(&text, row, widths, color)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// WriteTables writes tables with an empty line between them, and leaves out those without rows.
func WriteTables(w io.Writer, color bool, tables []*Table) error {
	written := false
	for _, table := range tables {
		if len(table.Rows) == 0 {
			continue
		}
		if written {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := table.Write(w, color); err != nil {
			return err
		}
		written = true
	}
	return nil
}

// header gives the names the alignment of the column's first cell.
func (t *Table) header() []Cell {
	cells := make([]Cell, len(t.Header))
	for i, name := range t.Header {
		cells[i] = Cell{Text: name, Color: Bold}
		if len(t.Rows) > 0 && i < len(t.Rows[0]) {
			cells[i].Right = t.Rows[0][i].Right
		}
	}
	return cells
}

func columnWidths(rows [][]Cell) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.Text))
		}
	}
	return widths
}

func writeRow(text *strings.Builder, row []Cell, widths []int, color bool) {
	var line strings.Builder
	for i, cell := range row {
		if i > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell.Text))
		painted := Paint(cell.Text, cell.Color, color)
		if cell.Right {
			line.WriteString(pad + painted)
		} else {
			line.WriteString(painted + pad)
		}
	}
	text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}
