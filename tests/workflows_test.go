package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

const workflowDirectory = "../.github/workflows"

func workflowFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(workflowDirectory, "*.yml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d workflows in %s, error %v", len(files), workflowDirectory, err)
	}
	return files
}

// TestWorkflowsLint runs actionlint's own rules; shellcheck stays out, because not every machine has it.
func TestWorkflowsLint(t *testing.T) {
	var report strings.Builder
	linter, err := actionlint.NewLinter(&report, &actionlint.LinterOptions{Oneline: true})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := linter.LintFiles(workflowFiles(t), nil)
	if err != nil || len(problems) > 0 {
		t.Errorf("%d problems, error %v\n%s", len(problems), err, &report)
	}
}

// TestWorkflowsAreBounded wants what actionlint does not ask for: least permissions, a limit on each job's time, no
// two runs of one branch at a time.
func TestWorkflowsAreBounded(t *testing.T) {
	for _, path := range workflowFiles(t) {
		workflow := parseWorkflow(t, path)
		if workflow.Concurrency == nil || workflow.Concurrency.Group == nil {
			t.Errorf("%s: no concurrency group", path)
		}
		if workflow.Permissions == nil || len(workflow.Permissions.Scopes) != 1 || workflow.Permissions.Scopes["contents"] == nil ||
			workflow.Permissions.Scopes["contents"].Value.Value != "read" {
			t.Errorf("%s: the permissions are not contents: read alone", path)
		}
		for name, job := range workflow.Jobs {
			if job.WorkflowCall == nil && (job.TimeoutMinutes == nil || job.TimeoutMinutes.Value <= 0) {
				t.Errorf("%s: job %s has no timeout-minutes", path, name)
			}
			if got := granted(job.Permissions); got != widened[filepath.Base(path)+" "+name] {
				t.Errorf("%s: job %s may write %q", path, name, got)
			}
		}
	}
}

// widened are the jobs that may write something, and what.
var widened = map[string]string{
	"release.yml attest":  "attestations id-token",
	"release.yml publish": "id-token",
	"release.yml site":    "id-token pages",
}

// granted lists what a job may write besides what its workflow may.
func granted(permissions *actionlint.Permissions) string {
	var scopes []string
	if permissions == nil {
		return ""
	}
	for name, scope := range permissions.Scopes {
		if scope.Value.Value == "write" {
			scopes = append(scopes, name)
		}
	}
	slices.Sort(scopes)
	return strings.Join(scopes, " ")
}

// TestReleasePublishesTheToolAlone wants one job that can reach PyPI, which gets nothing but the tool's wheels.
func TestReleasePublishesTheToolAlone(t *testing.T) {
	publishing := 0
	for _, path := range workflowFiles(t) {
		for name, job := range parseWorkflow(t, path).Jobs {
			for _, step := range job.Steps {
				action, ok := step.Exec.(*actionlint.ExecAction)
				if !ok || !strings.HasPrefix(action.Uses.Value, "pypa/gh-action-pypi-publish@") {
					continue
				}
				publishing++
				text := string(read(t, path))
				if name != "publish" || action.Inputs["packages-dir"].Value.Value != "tool/" || action.Inputs["password"] != nil ||
					!strings.Contains(text, "find tool -type f ! -name 'sagebuild-*.whl'") {
					t.Errorf("%s: job %s publishes %s", path, name, action.Inputs["packages-dir"].Value.Value)
				}
			}
		}
	}
	if publishing != 1 {
		t.Errorf("%d steps publish to PyPI, want one", publishing)
	}
}

func parseWorkflow(t *testing.T, path string) *actionlint.Workflow {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	workflow, problems := actionlint.Parse(data)
	if workflow == nil || len(problems) > 0 {
		t.Fatalf("%s: %v", path, problems)
	}
	return workflow
}

// TestWorkflowsPinActions wants a commit and, for readers, its version: a tag can move.
func TestWorkflowsPinActions(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses: *(.*)$`)
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	versions := map[string]string{}
	for _, path := range workflowFiles(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range uses.FindAllStringSubmatch(string(data), -1) {
			if strings.HasPrefix(match[1], "./.github/workflows/") {
				continue // of the same commit
			}
			if !pinned.MatchString(match[1]) {
				t.Errorf("%s: %s is not pinned by commit and version", path, match[1])
			}
			action, version, _ := strings.Cut(match[1], "@")
			if other, ok := versions[action]; ok && other != version {
				t.Errorf("%s: %s is %s here and %s elsewhere", path, action, version, other)
			}
			versions[action] = version
		}
	}
}

// TestWorkflowsNameRealFlags wants every flag that a workflow gives to sagebuild in the help of that command.
func TestWorkflowsNameRealFlags(t *testing.T) {
	calls := regexp.MustCompile(`bin/sagebuild (\w+)((?:[^\n]*\\\n)*[^\n]*)`)
	flags := regexp.MustCompile(`--[a-z][a-z-]*`)
	found := 0
	for _, path := range workflowFiles(t) {
		for _, script := range scripts(parseWorkflow(t, path)) {
			for _, call := range calls.FindAllStringSubmatch(script, -1) {
				found++
				help := commandHelp(t, call[1])
				for _, flag := range flags.FindAllString(call[2], -1) {
					if !strings.Contains(help, flag+" ") {
						t.Errorf("%s: sagebuild %s has no flag %s", path, call[1], flag)
					}
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("the workflows call sagebuild %d times, want matrix, doctor, bake and test", found)
	}
}

// scripts returns what the steps of a workflow run.
func scripts(workflow *actionlint.Workflow) []string {
	var texts []string
	for _, job := range workflow.Jobs {
		for _, step := range job.Steps {
			if run, ok := step.Exec.(*actionlint.ExecRun); ok {
				texts = append(texts, run.Run.Value)
			}
		}
	}
	return texts
}

func commandHelp(t *testing.T, command string) string {
	t.Helper()
	help, err := exec.Command("sagebuild", command, "--help").Output()
	if err != nil {
		t.Fatalf("sagebuild %s --help: %v", command, err)
	}
	return string(help)
}

// What a workflow leaves in the checkout, git does not see: provenance would say that the tree differs from its commit.
func TestWorkflowsKeepTheirTreeClean(t *testing.T) {
	text, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	ignored := strings.Fields(string(text))
	workflow, err := os.ReadFile(filepath.Join(workflowDirectory, "wheels.yml"))
	if err != nil {
		t.Fatal(err)
	}
	left := regexp.MustCompile(`(?m)^ +path: (\w+)`).FindAllStringSubmatch(string(workflow), -1)
	if len(left) < 5 {
		t.Fatalf("the workflow names the paths %v", left)
	}
	for _, path := range left {
		if !slices.Contains(ignored, "/"+path[1]+"/") {
			t.Errorf("wheels.yml writes to %s/, which .gitignore does not name", path[1])
		}
	}
}
