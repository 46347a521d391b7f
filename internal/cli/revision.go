package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/revision"
	"github.com/sagebuild/sagebuild/internal/run"
)

// compareRevisions notes where the source that built the wheels again is not the commit that their provenance names.
func compareRevisions(all []*run.Rebuilt, here string) {
	for _, r := range all {
		commit, wasDirty := strings.CutSuffix(r.Revision, revision.Dirty)
		own, isDirty := strings.CutSuffix(here, revision.Dirty)
		switch {
		case commit == "" || here == "":
		case wasDirty:
			r.Notes = append(r.Notes, "it was built from a tree with changes to commit "+commit+", which no commit has")
		case own != commit:
			r.Notes = append(r.Notes, fmt.Sprintf("this source is at commit %s, the wheel is of %s; --revision builds by that one", own, commit))
		}
		if isDirty {
			r.Notes = append(r.Notes, "this source has changes to its commit "+own)
		}
	}
}

// verifyByRevision lets the sagebuild of another commit verify, with the files of that commit: definition, Dockerfile and
// kernels of this program are not those of that commit.
func verifyByRevision(cmd *cobra.Command, options *verifyOptions, wheels []string) error {
	ctx, source := cmd.Context(), options.plan.source
	name := options.revision
	if name == fromProvenance {
		var err error
		if name, err = revisionOf(wheels); err != nil {
			return err
		}
	}
	commit, err := revision.Resolve(ctx, source, name)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "sagebuild-revision-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	tree, program := filepath.Join(folder, "source"), filepath.Join(folder, "sagebuild")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	if err := revision.Export(ctx, source, commit, tree); err != nil {
		return err
	}
	if err := compileProgram(ctx, tree, program); err != nil {
		return err
	}
	return runProgram(ctx, program, append(verifyArguments(cmd, tree), wheels...))
}

// revisionOf is the commit that the provenance of all wheels names.
func revisionOf(wheels []string) (string, error) {
	named := ""
	for _, wheel := range wheels {
		text, err := os.ReadFile(provenance.StatementFile(wheel))
		if err != nil {
			return "", &diag.Error{Class: diag.Usage, Message: "no provenance names the commit of " + wheel, Err: err, Hint: diag.Command("sagebuild", "verify", "--revision=COMMIT", wheel)}
		}
		commit, dirty := strings.CutSuffix(provenance.Revision(text), revision.Dirty)
		switch {
		case commit == "":
			return "", diag.Usagef(diag.Command("sagebuild", "verify", "--revision=COMMIT", wheel), "the provenance of %s names no commit", wheel)
		case dirty:
			return "", diag.Usagef(diag.Command("sagebuild", "verify", "--revision="+commit, wheel), "%s was built from a tree with changes to commit %s, which no commit has", wheel, commit)
		case named != "" && commit != named:
			return "", diag.Usagef(diag.Command("sagebuild", "verify", "--revision", wheel), "the wheels are of several commits, %s and %s: verify one after the other", named, commit)
		}
		named = commit
	}
	return named, nil
}

func compileProgram(ctx context.Context, tree, program string) error {
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, "./cmd/sagebuild")
	build.Dir, build.Env = tree, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return &diag.Error{Class: diag.Environment, Message: "--revision compiles the sagebuild of that commit, and there is no go", Hint: "apt-get install --yes golang-go"}
	}
	if err != nil {
		return &diag.Error{Class: diag.Failed, Message: "the sagebuild of that commit does not compile: " + strings.TrimSpace(string(out)), Err: err, Hint: diag.Command("git", "-C", tree, "status")}
	}
	return nil
}

// verifyArguments are the flags of this command line, about another source.
func verifyArguments(cmd *cobra.Command, source string) []string {
	list := []string{"verify", "--source=" + source}
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		switch values, several := flag.Value.(pflag.SliceValue); {
		case slices.Contains([]string{"revision", "source"}, flag.Name):
		case several:
			for _, value := range values.GetSlice() {
				list = append(list, "--"+flag.Name+"="+value)
			}
		default:
			list = append(list, "--"+flag.Name+"="+flag.Value.String())
		}
	})
	return append(list, "--")
}

// exitStatus ends this process as a child ended that has said everything.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func runProgram(ctx context.Context, program string, args []string) error {
	command := exec.CommandContext(ctx, program, args...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	err := command.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return exitStatus(failed.ExitCode())
	}
	return err
}
