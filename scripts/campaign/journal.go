package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// trial is what one attack did and what came of it.
type trial struct {
	Campaign string
	Number   int
	What     string   // the attack
	Ended    string   // how the attacked command ended, and the one after it
	Faults   []string `json:",omitempty"`
}

func (t *trial) fault(format string, args ...any) {
	t.Faults = append(t.Faults, fmt.Sprintf(format, args...))
}

// journal keeps trials, one JSON object on each line, so that a campaign can go on.
type journal struct {
	path   string
	trials []trial
}

func openJournal(path string) (*journal, error) {
	j := &journal{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var t trial
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		j.trials = append(j.trials, t)
	}
	return j, nil
}

func (j *journal) has(campaign string, number int) bool {
	for _, t := range j.trials {
		if t.Campaign == campaign && t.Number == number {
			return true
		}
	}
	return false
}

func (j *journal) bad() (bad int) {
	for _, t := range j.trials {
		if len(t.Faults) > 0 {
			bad++
		}
	}
	return bad
}

func (j *journal) add(t trial) error {
	j.trials = append(j.trials, t)
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	return err
}

// begin and end bound the table of the page, which a person writes around it.
const (
	begin = "<!-- written by scripts/campaign -->\n"
	end   = "<!-- end -->\n"
)

// writePage puts the totals into the page's table.
func writePage(path string, trials []trial) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no lines %q and %q to write between", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+table(trials)+end+after), 0o644)
}

func table(trials []trial) string {
	var text strings.Builder
	text.WriteString("| campaign | trial | trials | with a fault |\n|---|---|---|---|\n")
	for _, c := range campaigns {
		count, bad := 0, 0
		for _, t := range trials {
			if t.Campaign == c.name {
				count++
				if len(t.Faults) > 0 {
					bad++
				}
			}
		}
		fmt.Fprintf(&text, "| %s | %s | %d | %d |\n", c.name, c.what, count, bad)
	}
	text.WriteString("\nHow the attacked commands ended:\n\n| campaign | ended | times |\n|---|---|---|\n")
	for _, c := range campaigns {
		for _, ending := range endings(trials, c.name) {
			fmt.Fprintf(&text, "| %s | %s | %d |\n", c.name, ending.text, ending.times)
		}
	}
	return text.String()
}

// ending is how commands of a campaign ended, and how often.
type ending struct {
	text  string
	times int
}

// endings counts how the commands of a campaign ended, the most frequent first.
func endings(trials []trial, campaign string) (all []ending) {
	for _, t := range trials {
		if t.Campaign != campaign {
			continue
		}
		at := slices.IndexFunc(all, func(e ending) bool { return e.text == t.Ended })
		if at < 0 {
			all = append(all, ending{text: t.Ended})
			at = len(all) - 1
		}
		all[at].times++
	}
	slices.SortStableFunc(all, func(a, b ending) int { return b.times - a.times })
	return all
}
