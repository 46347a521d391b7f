package builder_test

import (
	"bytes"
	"context"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	buildxbake "github.com/docker/buildx/bake"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/matrixtest"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const sourceDir = "../.."

// readBake is buildx's own view of a bake file: its targets and groups.
func readBake(t *testing.T, content []byte, environment map[string]string, names ...string) (map[string]*buildxbake.Target, map[string]*buildxbake.Group) {
	t.Helper()
	unset(t, "BASE_IMAGE", "PYTHON_IMAGE", "SOURCE_DATE_EPOCH") // which buildx reads, whatever environment it is given
	files := []buildxbake.File{{Name: bake.BakeFile, Data: content}}
	targets, groups, err := buildxbake.ReadTargets(context.Background(), files, names, nil, nil, environment, &buildxbake.EntitlementConf{})
	if err != nil {
		t.Fatalf("buildx does not accept %s: %v", names, err)
	}
	return targets, groups
}

// unset takes variables out of the environment until the test ends.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			t.Setenv(name, value) // puts it back
			os.Unsetenv(name)
		}
	}
}

// Buildx reads the bake file as the plan of the same matrix says: groups, stages, arguments, contexts, outputs. Its
// matrix attribute expands to the same cells.
func TestBuildxReadsTheBakeFileAsPlanned(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := bake.RenderBake(m, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range m.Groups() {
		targets, groups := readBake(t, content, nil, group.Name)
		if got := slices.Sorted(maps.Keys(targets)); !slices.Equal(got, slices.Sorted(slices.Values(group.Targets))) {
			t.Errorf("buildx reads group %s as %v, want %v", group.Name, got, group.Targets)
		}
		if groups[group.Name] == nil && group.Name != "default" {
			t.Errorf("buildx knows no group %s", group.Name)
		}
	}
	comparePlan(t, m, k, content)
}

func TestBuildxReadsAnAddedTorchAsPlanned(t *testing.T) {
	_, k := matrixtest.Definition(t, sourceDir)
	m := matrixtest.WithTorch299(t, sourceDir)
	content, err := bake.RenderBake(m, k)
	if err != nil {
		t.Fatal(err)
	}
	comparePlan(t, m, k, content)
}

func comparePlan(t *testing.T, m *matrix.Matrix, k *kernels.Set, content []byte) {
	t.Helper()
	selection, err := m.Select([]string{"*", "test-*"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := bake.NewPlan(m, k, selection, bake.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, want := range plan.Targets {
		names = append(names, want.Name)
	}
	targets, _ := readBake(t, content, nil, names...)
	for _, want := range plan.Targets {
		got := targets[want.Name]
		if got == nil {
			t.Errorf("buildx knows no target %s", want.Name)
			continue
		}
		if *got.Target != want.Stage || *got.Dockerfile != bake.Dockerfile || *got.Context != "." {
			t.Errorf("%s: stage %s of %s in %s, want %s", want.Name, *got.Target, *got.Dockerfile, *got.Context, want.Stage)
		}
		if arguments := values(got.Args); !maps.Equal(arguments, want.Args) {
			t.Errorf("%s: arguments\n%v\nwant\n%v", want.Name, arguments, want.Args)
		}
		planned := map[string]string{}
		for name, c := range want.Contexts {
			planned[name] = c.String()
		}
		if !maps.Equal(got.Contexts, planned) {
			t.Errorf("%s: contexts %v, want %v", want.Name, got.Contexts, planned)
		}
		if len(got.Outputs) != 1 || got.Outputs[0].Type != "local" || got.Outputs[0].Destination != want.Output {
			t.Errorf("%s: outputs %v, want one to %s", want.Name, got.Outputs, want.Output)
		}
		declared := map[string]bool{}
		for _, secret := range got.Secrets {
			declared[secret.ID] = secret.Env == secret.ID && secret.FilePath == ""
		}
		for _, name := range bake.EnvironmentSecrets {
			if !declared[name] || len(declared) != len(bake.EnvironmentSecrets) {
				t.Errorf("%s: secrets %v, want %v", want.Name, got.Secrets, bake.EnvironmentSecrets)
			}
		}
		if !slices.Equal(got.Platforms, []string{bake.BuildPlatform}) {
			t.Errorf("%s: platforms %v", want.Name, got.Platforms)
		}
	}
}

func values(args map[string]*string) map[string]string {
	all := map[string]string{}
	for name, value := range args {
		all[name] = *value
	}
	return all
}

func TestImagesAreVariables(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := bake.RenderBake(m, k)
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"BASE_IMAGE": "mirror/debian:12", "PYTHON_IMAGE": "mirror/python:%s"}
	const name = "test-linux-sage2-pytorch28-cu129-python310"
	targets, _ := readBake(t, content, environment, name)
	got := targets[name]
	want := map[string]string{"base": "docker-image://mirror/debian:12", "python": "docker-image://mirror/python:3.10"}
	if !maps.Equal(got.Contexts, want) {
		t.Errorf("contexts %v, want %v", got.Contexts, want)
	}
}

// One list of secrets: what the bake file declares is what steps mount. The builder adds the certificates by itself.
func TestDockerfileMountsTheDeclaredSecrets(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := bake.RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	mounted := map[string]bool{}
	for _, found := range regexp.MustCompile(`type=secret,id=([^,\s]+)`).FindAllSubmatch(content, -1) {
		mounted[string(found[1])] = true
	}
	want := append([]string{"ca-bundle"}, bake.EnvironmentSecrets...)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(mounted)); !slices.Equal(got, want) {
		t.Errorf("steps mount %v, want %v", got, want)
	}
}

// Settings of pip and uv that nobody made must not stop a build: buildx takes an unset secret as an empty one.
func TestUnsetSecretsAreAccepted(t *testing.T) {
	unset(t, bake.EnvironmentSecrets...)
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := bake.RenderBake(m, k)
	if err != nil {
		t.Fatal(err)
	}
	targets, _ := readBake(t, content, nil, "default")
	options, err := buildxbake.TargetsToBuildOpt(targets, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range options {
		if len(o.SecretSpecs) != len(bake.EnvironmentSecrets) {
			t.Errorf("%s has the secrets %v, want %v", name, o.SecretSpecs, bake.EnvironmentSecrets)
		}
	}
}

// Buildx's Dockerfile parser accepts the Dockerfile, and every stage that a plan names is there.
func TestDockerfileHasThePlannedStages(t *testing.T) {
	m, k := matrixtest.Definition(t, sourceDir)
	content, err := bake.RenderDockerfile(m, k)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{bake.StageTestReport: false}
	for _, stage := range stages {
		known[stage.Name] = true
	}
	selection, err := m.Select([]string{"test-all"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := bake.NewPlan(m, k, selection, bake.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range plan.Targets {
		for _, step := range target.Steps {
			if !known[step] {
				known[step] = false
			}
		}
	}
	for name, found := range known {
		if !found {
			t.Errorf("the Dockerfile has no stage %s", name)
		}
	}
}
