// Package revision asks git which commit a source tree is at, and takes the tree of another commit out of a repository.
package revision

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Dirty ends the revision of a tree with changes, in provenance too.
const Dirty = "-dirty"

// Of is the commit of a directory's tree, with Dirty behind it where files differ; "" where the directory is in no
// repository, or git is missing.
func Of(ctx context.Context, dir string) string {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "HEAD")
	if err != nil {
		return ""
	}
	changes, err := git(ctx, dir, "status", "--porcelain")
	if err != nil || changes != "" {
		commit += Dirty
	}
	return commit
}

// Remote is the URL of the repository that a directory's commits go to, as git knows it; "" where there is none. It may
// hold a password.
func Remote(ctx context.Context, dir string) string {
	url, err := git(ctx, dir, "ls-remote", "--get-url") // asks nobody
	if err != nil || url == "origin" {
		return ""
	}
	return url
}

// Resolve is the full name of a commit, a tag or a branch. An unknown one is an error of class diag.Usage.
func Resolve(ctx context.Context, dir, name string) (string, error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--end-of-options", name+"^{commit}")
	if err != nil {
		return "", &diag.Error{Class: diag.Usage, Message: dir + " has no commit " + name, Err: err, Hint: diag.Command("git", "-C", dir, "fetch", "--tags")}
	}
	return commit, nil
}

// Export writes the files of a commit into a directory that exists.
func Export(ctx context.Context, dir, commit, to string) error {
	archive := Git(ctx, dir, "archive", "--format=tar", commit)
	unpack := exec.CommandContext(ctx, "tar", "--extract", "--directory", to)
	var said bytes.Buffer
	archive.Stderr, unpack.Stderr = &said, &said
	pipe, err := archive.StdoutPipe()
	if err != nil {
		return err
	}
	unpack.Stdin = pipe
	if err := unpack.Start(); err != nil {
		return err
	}
	failed := archive.Run()
	if err := errors.Join(failed, unpack.Wait()); err != nil {
		return &diag.Error{Class: diag.Environment, Message: "taking commit " + commit + " out of " + dir, Err: errors.New(strings.TrimSpace(said.String() + " " + err.Error()))}
	}
	return nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	var said bytes.Buffer
	command := Git(ctx, dir, args...)
	command.Stderr = &said
	out, err := command.Output()
	if err != nil && said.Len() > 0 {
		err = errors.New(strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(string(out)), err
}

// elsewhere are git's variables that name a repository, or parts of one, in the place of the directory's own (git(1),
// "The Git Repository"). Git sets them for its hooks, and for what a rebase executes.
var elsewhere = []string{
	"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_NAMESPACE", "GIT_PREFIX",
}

// Git is the command git on the repository of a directory, whatever repository the environment names.
func Git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	command.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(elsewhere, name)
	})
	return command
}
