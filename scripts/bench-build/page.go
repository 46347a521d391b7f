package main

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
)

// page is what a page that this command wrote says.
type page struct {
	day  string            // when it was written
	rows map[string]figure // by name
}

// figure is the wall and CPU time of a row, in seconds, as the page has them.
type figure struct{ wall, cpu string }

var (
	pageDay = regexp.MustCompile(`(?m)^Written by .* on (\d{4}-\d\d-\d\d)\.$`)
	pageRow = regexp.MustCompile("(?m)^\\| (`bake [^|]*) \\| ([0-9.]+) \\| ([0-9.]+) \\|")
)

// readPage reads the page that is to be replaced. A page that is not there says nothing.
func readPage(path string) (page, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return page{}, nil
	}
	if err != nil {
		return page{}, err
	}
	p := page{rows: map[string]figure{}}
	if day := pageDay.FindSubmatch(text); day != nil {
		p.day = string(day[1])
	}
	for _, row := range pageRow.FindAllSubmatch(text, -1) {
		p.rows[string(row[1])] = figure{string(row[2]), string(row[3])}
	}
	return p, nil
}
