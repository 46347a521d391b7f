package depcheck

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// row is a line of one of the two tables of docs/design.md.
type row struct {
	folder  string
	imports []string // of a Go package: packages of this module
}

// page returns the rows of a table of docs/design.md, which begins with this cell.
func page(t *testing.T, heading string) []row {
	t.Helper()
	text, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := table(string(text), heading)
	if err != nil {
		t.Fatalf("docs/design.md: %v", err)
	}
	return rows
}

// table reads a Markdown table of three columns. A first cell may name several folders, separated by commas.
func table(text, heading string) ([]row, error) {
	_, body, ok := strings.Cut(text, "\n| "+heading+" |")
	if !ok {
		return nil, fmt.Errorf("no table begins with | %s |", heading)
	}
	var rows []row
	for _, line := range strings.Split(body, "\n")[2:] {
		cells := strings.Split(line, "|")
		if cells[0] != "" || len(cells) == 1 {
			break
		}
		if len(cells) != 5 {
			return nil, fmt.Errorf("not three columns: %s", line)
		}
		for _, folder := range list(cells[1]) {
			rows = append(rows, row{folder, list(cells[3])})
		}
	}
	return rows, nil
}

// list splits at commas.
func list(cell string) []string {
	return slices.DeleteFunc(strings.Split(strings.ReplaceAll(cell, " ", ""), ","), func(name string) bool { return name == "" })
}

func TestTable(t *testing.T) {
	text := "x\n\n| package | for | imports |\n|---|---|---|\n| cmd | a program | bake, matrix |\n| bake, x | | |\n\n| package |\n"
	rows, err := table(text, "package")
	if got := fmt.Sprint(rows); err != nil || got != "[{cmd [bake matrix]} {bake []} {x []}]" {
		t.Errorf("rows %s, error %v", got, err)
	}
	if _, err := table(text, "folder"); err == nil {
		t.Error("a table that is not there was read")
	}
	if _, err := table("\n| package |\n|---|\n| a | b |\n", "package"); err == nil {
		t.Error("a row of two columns was read")
	}
}
