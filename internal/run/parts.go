package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/system"
)

// inputsFile lies in the directory of a part, beside out/ with the code, and holds the hash of what the code was made of.
const inputsFile = "inputs.sha256"

// compile builds one part. Where the run keeps parts, it moves the part into its directory.
func (s *session) compile(ctx context.Context, target bake.Target, row *report.Row) error {
	dir, result, err := s.build(ctx, target)
	if err != nil {
		return err
	}
	row.Outcome = outcome(result)
	if row.Size, err = system.TreeSize(dir); err != nil {
		return err
	}
	if row.Size == 0 {
		return &diag.Error{Class: diag.Mismatch, Message: "stage " + target.Stage + " made no file"}
	}
	if s.Options.Parts == "" {
		return nil
	}
	inputs, err := inputsOf(s.Options.Source, s.dockerfile, target)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, inputsFile), []byte(inputs+"\n"), 0o644); err != nil {
		return err
	}
	_, err = s.staging.publishDir(dir, target.Name)
	return err
}

// checkParts reports parts that are missing, or were made of something else than what this run would compile.
func (r *Run) checkParts(dockerfile []byte) error {
	var wrong []string
	for _, part := range r.Plan.Imports {
		want, err := inputsOf(r.Options.Source, dockerfile, part)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(r.Options.Parts, part.Name, inputsFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			wrong = append(wrong, part.Name+" is not there")
		case err != nil:
			return err
		case strings.TrimSpace(string(got)) != want:
			wrong = append(wrong, part.Name+" was compiled from other inputs")
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return &diag.Error{Class: diag.Usage, Message: "parts in " + r.Options.Parts + ": " + strings.Join(wrong, ", "),
		Hint: "sagebuild compile --output " + r.Options.Parts + " TARGET"}
}

// inputsOf is a hash of what decides a part's code: sources, the driver of the compiler, locks, stages, arguments.
func inputsOf(source string, dockerfile []byte, part bake.Target) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n%x\n%s\n", part.Stage, sha256.Sum256(dockerfile), part.Contexts[bake.ContextBase])
	for _, name := range slices.Sorted(maps.Keys(part.Args)) {
		fmt.Fprintf(hash, "%s=%s\n", name, part.Args[name])
	}
	for _, file := range append(part.LockFiles(), "lock/system.hcl") {
		if err := addFile(hash, source, file); err != nil {
			return "", err
		}
	}
	for _, dir := range []string{"csrc/device", "csrc/host", "python/build_backend"} {
		err := filepath.WalkDir(filepath.Join(source, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) == ".pyc" {
				return err
			}
			relative, err := filepath.Rel(source, path)
			if err != nil {
				return err
			}
			return addFile(hash, source, relative)
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func addFile(hash io.Writer, source, name string) error {
	sum, err := digest.File(filepath.Join(source, name))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(hash, "%s %s\n", sum, filepath.ToSlash(name))
	return err
}
