package builder_test

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// The hash of a wheel's inputs is one of Target.Sources: whatever a stage copies that the wheel needs, or the stage of a
// part, has to be among them, in the view of BuildKit's own parser.
func TestSourcesAreWhatStagesCopy(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	selection, err := m.Select([]string{"everything"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := bake.NewPlan(m, k, selection, bake.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := bake.NewPartPlan(m, k, bake.Parts(m, k, m.Cells()), bake.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compareSources(t, m, k, append(plan.Targets, parts.Targets...))
}

// A definition of two SMs, of which no SM shares PTX, needs the same locks.
func TestSourcesOfASmallDefinition(t *testing.T) {
	_, k := matrixtest.Definition(t, sourceDir)
	m, err := matrix.Load(filepath.Join(sourceDir, "tests", "testdata", "small.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	selection, err := m.Select(nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := bake.NewPlan(m, k, selection, bake.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	compareSources(t, m, k, plan.Targets)
}

func compareSources(t *testing.T, m *matrix.Matrix, k *kernels.Set, targets []bake.Target) {
	t.Helper()
	content, err := bake.RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	file := parseStages(t, content)
	for _, target := range targets {
		sources := target.Sources()
		read := file.reads(t, target)
		if len(read) < 5 {
			t.Fatalf("%s copies %v alone", target.Name, read)
		}
		for name := range read {
			if !slices.ContainsFunc(sources, func(source string) bool { return name == source || strings.HasPrefix(name, source+"/") }) {
				t.Errorf("%s copies %s, and its sources are %v", target.Name, name, sources)
			}
		}
		for _, source := range sources {
			if _, err := os.Stat(filepath.Join(sourceDir, source)); err != nil {
				t.Errorf("%s: %v", target.Name, err)
			}
		}
	}
}

// stages are those of a Dockerfile, and the values of its first arguments.
type stages struct {
	list     []instructions.Stage
	defaults map[string]string
}

func parseStages(t *testing.T, content []byte) stages {
	t.Helper()
	result, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	list, arguments, err := instructions.Parse(result.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := stages{list, map[string]string{}}
	for _, command := range arguments {
		for _, arg := range command.Args {
			s.defaults[arg.Key] = arg.ValueString()
		}
	}
	return s
}

// reads names what the stages that a target needs copy or mount of the source directory.
func (s stages) reads(t *testing.T, target bake.Target) map[string]bool {
	t.Helper()
	expand := func(text string) (string, error) {
		return os.Expand(text, func(name string) string {
			if value, ok := target.Args[name]; ok {
				return value
			}
			return s.defaults[name]
		}), nil
	}
	read, seen := map[string]bool{}, map[string]bool{}
	next := []string{target.Stage}
	for len(next) > 0 {
		name, _ := expand(next[0])
		next = next[1:]
		at := slices.IndexFunc(s.list, func(stage instructions.Stage) bool { return stage.Name == name })
		if _, isContext := target.Contexts[name]; seen[name] || isContext || name == "scratch" {
			continue
		}
		if seen[name] = true; at < 0 {
			t.Fatalf("%s: there is no stage and no context %s", target.Name, name)
		}
		next = append(next, s.list[at].BaseName)
		for _, command := range s.list[at].Commands {
			switch command := command.(type) {
			case *instructions.CopyCommand:
				if command.From != "" {
					next = append(next, command.From)
					continue
				}
				for _, source := range command.SourcePaths {
					file, _ := expand(source)
					read[path.Clean(file)] = true
				}
			case *instructions.AddCommand:
				t.Errorf("stage %s has an ADD, which this test does not read", name)
			case *instructions.RunCommand:
				if err := command.Expand(expand); err != nil {
					t.Fatal(err)
				}
				for _, mount := range instructions.GetMounts(command) {
					switch {
					case mount.From != "":
						next = append(next, mount.From)
					case mount.Type == instructions.MountTypeBind:
						read[path.Clean(mount.Source)] = true
					}
				}
			}
		}
	}
	return read
}
