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
	Test bool
}

// Target is the name of the selection's target.
func (s Selection) Target() string {
	if s.Test {
		return s.Cell.TestTarget()
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
	var tests []Selection
	seen := map[string]bool{}
	for _, s := range selected {
		if target := s.Cell.Target(); !seen[target] {
			seen[target] = true
			tests = append(tests, Selection{Cell: s.Cell, Test: true})
		}
	}
	return tests, nil
}

// all lists every build target and then every test target.
func (m *Matrix) all() []Selection {
	all := make([]Selection, 0, 2*len(m.cells))
	for _, test := range []bool{false, true} {
		for _, cell := range m.cells {
			all = append(all, Selection{Cell: cell, Test: test})
		}
	}
	return all
}

// resolve expands one name to targets.
func (m *Matrix) resolve(name string) ([]string, error) {
	for _, group := range m.groups {
		if group.Name == name {
			return group.Targets, nil
		}
	}
	names := append(m.targets(), m.testTargets()...)
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
