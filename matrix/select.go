package matrix

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Selection is a cell to build, or to test.
type Selection struct {
	Cell Cell
	Test *Runtime // what to test its wheel on; nil means to build it
}

// Target is the name of the selection's target.
func (s Selection) Target() string {
	if s.Test != nil {
		return s.Cell.TestTarget(*s.Test)
	}
	return s.Cell.Target()
}

// Select finds the targets that names mean: targets, groups, and patterns as path.Match knows them. No name
// at all is the group default. Each target comes once, builds before tests, in matrix order. A name that
// matches nothing is a *diag.Error of class Usage with a did-you-mean.
func (m *Matrix) Select(names []string) ([]Selection, error) {
	if len(names) == 0 {
		names = []string{defaultGroup}
	}
	wanted := map[string]bool{}
	for _, name := range names {
		targets, err := m.resolve(name)
		if err != nil {
			return nil, err
		}
		for _, target := range targets {
			wanted[target] = true
		}
	}
	return slices.DeleteFunc(m.all(), func(s Selection) bool { return !wanted[s.Target()] }), nil
}

// SelectTests is Select for the command test: a build target or a group of them means the tests of its cells.
func (m *Matrix) SelectTests(names []string) ([]Selection, error) {
	selected, err := m.Select(names)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, s := range selected {
		wanted[s.Target()] = true
	}
	return slices.DeleteFunc(m.all(), func(s Selection) bool {
		return s.Test == nil || !wanted[s.Target()] && !wanted[s.Cell.Target()]
	}), nil
}

// all lists every build target and then every test target.
func (m *Matrix) all() []Selection {
	var builds, tests []Selection
	for _, cell := range m.cells {
		builds = append(builds, Selection{Cell: cell})
		for i := range cell.Runtimes {
			tests = append(tests, Selection{Cell: cell, Test: &cell.Runtimes[i]})
		}
	}
	return append(builds, tests...)
}

// resolve expands one name to targets.
func (m *Matrix) resolve(name string) ([]string, error) {
	for _, group := range m.groups {
		if group.Name == name {
			return group.Targets, nil
		}
	}
	names := append(m.targets(), testTargets(m.cells)...)
	matched, err := match(name, names)
	if err != nil {
		return nil, err
	}
	if len(matched) == 0 {
		for _, group := range m.groups {
			names = append(names, group.Name)
		}
		return nil, diag.Usagef(didYouMean(name, names), "unknown target %q", name)
	}
	return matched, nil
}

func match(pattern string, names []string) ([]string, error) {
	var matched []string
	for _, name := range names {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, diag.Usagef("sagebuild matrix", "malformed pattern %q", pattern)
		}
		if ok {
			matched = append(matched, name)
		}
	}
	return matched, nil
}

func didYouMean(name string, names []string) string {
	if strings.ContainsAny(name, "*?[") {
		return "sagebuild matrix lists the targets that a pattern can match"
	}
	if near := diag.Suggest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "sagebuild matrix lists the targets and groups"
}
