package matrix

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Selection is a cell to build, or to test.
type Selection struct {
	Cell Cell
	Test *Runtime // what to test the cell's wheel on; nil means to build the wheel
}

// Target is the name of the selection's target.
func (s Selection) Target() string {
	if s.Test != nil {
		return s.Cell.TestTarget(*s.Test)
	}
	return s.Cell.Target()
}

// named is a selection with its target. The target is kept because putting it together at each look would be costly.
type named struct {
	target string
	Selection
}

// nameTargets lists every build target and then every test target, and fills the index of their names.
func (m *Matrix) nameTargets() {
	var builds, tests []named
	for _, cell := range m.cells {
		builds = append(builds, named{cell.Target(), Selection{Cell: cell}})
		for i := range cell.Runtimes {
			tests = append(tests, named{cell.TestTarget(cell.Runtimes[i]), Selection{cell, &cell.Runtimes[i]}})
		}
	}
	m.selections = append(builds, tests...)
	m.places = make(map[string]int, len(m.selections))
	for i, s := range m.selections {
		m.places[s.target] = i
	}
}

// selection finds a selection by the name of its target.
func (m *Matrix) selection(target string) (Selection, bool) {
	at, found := m.places[target]
	if !found {
		return Selection{}, false
	}
	return m.selections[at].Selection, true
}

// cell finds a cell by the name of its build target.
func (m *Matrix) cell(target string) (Cell, bool) {
	s, found := m.selection(target)
	return s.Cell, found && s.Test == nil
}

// names lists all targets, builds before tests.
func (m *Matrix) names() []string {
	all := make([]string, len(m.selections))
	for i, s := range m.selections {
		all[i] = s.target
	}
	return all
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
	return m.selected(func(s named) bool { return wanted[s.target] }), nil
}

// SelectTests is Select for the command test: a build target, or a group of build targets, means the tests of the
// named cells. It is an error of class Usage if none of the named cells has a test.
func (m *Matrix) SelectTests(names []string) ([]Selection, error) {
	chosen, err := m.Select(names)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, s := range chosen {
		wanted[s.Target()] = true
	}
	tests := m.selected(func(s named) bool { return s.Test != nil && (wanted[s.target] || wanted[s.Cell.Target()]) })
	if len(tests) == 0 {
		return nil, diag.Usagef("sagebuild matrix --json lists the tests of each cell", "no test of %s: its cells are built alone", strings.Join(names, " "))
	}
	return tests, nil
}

func (m *Matrix) selected(wanted func(named) bool) []Selection {
	var found []Selection
	for _, s := range m.selections {
		if wanted(s) {
			found = append(found, s.Selection)
		}
	}
	return found
}

// resolve expands one name to targets.
func (m *Matrix) resolve(name string) ([]string, error) {
	if at := slices.IndexFunc(m.groups, func(g Group) bool { return g.Name == name }); at >= 0 {
		return m.groups[at].Targets, nil
	}
	if _, known := m.places[name]; known {
		return []string{name}, nil
	}
	names := m.names()
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
	if near := diag.Suggest(name, ofSameTorch(name, names)); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "sagebuild matrix lists the targets and groups"
}

var torchName = regexp.MustCompile(`pytorch([0-9.]+)`)

// ofSameTorch leaves out the names with another torch than a name has, if it has one: a wheel for another torch is never
// what somebody means.
func ofSameTorch(name string, names []string) []string {
	said := torchName.FindStringSubmatch(name)
	if said == nil {
		return names
	}
	digits := strings.ReplaceAll(said[1], ".", "")
	return slices.DeleteFunc(slices.Clone(names), func(other string) bool {
		torch := torchName.FindStringSubmatch(other)
		return torch == nil || torch[1] != digits
	})
}
