package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/revision"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/matrix"
)

const verifyHelp = `Verify builds each wheel again, from this source, and compares all bytes. The file name says which target of the
matrix it is. Where bytes differ it names the members, and inside of them the sections of libraries, the cubins of each
SM and their sections, and the first line of a text. Provenance and SHA256SUMS beside the wheel must speak of it as well.

Steps whose inputs did not change come from the build cache, so verify says whether this source makes the wheel. With
--no-cache it runs every step again, and says whether the steps give the same bytes; with an empty directory as --state it
says so of a machine that never built the wheel. A wheel carries the time of SOURCE_DATE_EPOCH: set it to the value of the
first build.

Provenance names the commit that a wheel was built from, and verify says where this source is at another one or has
changes. --revision builds the wheel by that commit instead: it takes the commit's files out of this repository, compiles
its sagebuild (which needs Go), and lets that one verify.`

const verifyExamples = `  sagebuild verify dist/*.whl
  sagebuild verify --no-cache dist/*.whl
  sagebuild verify --revision WHEEL
  sagebuild verify --revision=v2.2.0 WHEEL
  sagebuild verify --state "$(mktemp -d)" --json WHEEL
  sagebuild verify --keep rebuilt WHEEL && sagebuild audit --diff WHEEL rebuilt/*.whl`

type verifyOptions struct {
	buildOptions
	keep     string
	revision string // a commit, or fromProvenance
}

// fromProvenance stands for the commit that the provenance of the wheels names.
const fromProvenance = "provenance"

func newVerify(app *App) *cobra.Command {
	options := &verifyOptions{buildOptions: buildOptions{jobs: 4, keepGoing: true}}
	cmd := &cobra.Command{
		Use:     "verify WHEEL...",
		Short:   "Build wheels again and say whether the bytes are the same",
		Long:    verifyHelp,
		Example: verifyExamples,
		RunE: func(cmd *cobra.Command, wheels []string) error {
			if options.revision != "" && len(wheels) > 0 {
				return verifyByRevision(cmd, options, wheels)
			}
			return runVerify(cmd.Context(), app, options, wheels)
		},
	}
	options.plan.addSourceFlags(cmd.Flags())
	options.addBuilderFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.keep, "keep", "", "leave what was built, where it differs, in `DIR`")
	cmd.Flags().StringVar(&options.revision, "revision", "", "build by this `COMMIT` of the source's repository; without one, by that of the wheel's provenance")
	cmd.Flags().Lookup("revision").NoOptDefVal = fromProvenance
	app.addJSON(cmd, "the verdicts")
	return cmd
}

func runVerify(ctx context.Context, app *App, options *verifyOptions, wheels []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load(ctx)
	if err != nil {
		return err
	}
	files, unreadable, selection, err := selectWheels(p.Matrix, wheels)
	if err != nil {
		return err
	}
	r, err := options.prepare(app, "verify", p, selection, "")
	if err != nil || r == nil {
		return err
	}
	done, err := place(r, options.keep)
	if err != nil {
		return err
	}
	defer done()
	rebuilt, results, err := r.Rebuild(ctx, files, options.keep != "")
	if err != nil {
		return err
	}
	compareRevisions(rebuilt, revision.Of(ctx, options.plan.source))
	return writeRebuilt(app, options, append(rebuilt, unreadable...), results)
}

// selectWheels finds the target of each wheel by its name. The files are by target. Of several wheels, one that is no
// wheel of the matrix is unreadable, and the others are built; the error is for a command line with none to build.
func selectWheels(m *matrix.Matrix, wheels []string) (files map[string]string, unreadable []*run.Rebuilt, selection []matrix.Selection, err error) {
	if len(wheels) == 0 {
		return nil, nil, nil, diag.Usagef("sagebuild verify dist/*.whl", "verify wants at least one wheel")
	}
	files = map[string]string{}
	var targets []string
	var wrong []error
	for _, path := range wheels {
		target, err := targetOfWheel(m, path)
		if err != nil {
			wrong = append(wrong, err)
			unreadable = append(unreadable, &run.Rebuilt{Wheel: path, Result: run.Unreadable, Notes: []string{}, Problems: []string{err.Error()}})
			continue
		}
		if other := files[target]; other != "" {
			return nil, nil, nil, diag.Usagef(diag.Command("sagebuild", "verify", path), "%s and %s are of one target: verify one after the other", other, path)
		}
		files[target] = path
		targets = append(targets, target)
	}
	if len(targets) == 0 {
		return nil, nil, nil, errors.Join(wrong...)
	}
	selection, err = m.Select(targets)
	return files, unreadable, selection, err
}

func targetOfWheel(m *matrix.Matrix, path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", diag.Usagef("ls dist", "%s is no file", path)
	}
	return cellOfWheel(m, filepath.Base(path), "sagebuild matrix")
}
