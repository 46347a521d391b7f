package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/matrix"
)

const verifyHelp = `Verify builds each wheel again, from this source, and compares all bytes. The file name says which target of the
matrix it is. Where bytes differ it names the members, and inside of them the sections of libraries, the cubins of each
SM and their sections, and the first line of a text. Provenance and SHA256SUMS beside the wheel must speak of it as well.

Steps whose inputs did not change come from the build cache, so verify says whether this source makes the wheel. With
--no-cache it runs every step again, and says whether the steps give the same bytes; with an empty directory as --state it
says so of a machine that never built the wheel. A wheel carries the time of SOURCE_DATE_EPOCH: set it to the value of the
first build.`

const verifyExamples = `  sagebuild verify dist/*.whl
  sagebuild verify --no-cache dist/*.whl
  sagebuild verify --state "$(mktemp -d)" --json WHEEL
  sagebuild verify --keep rebuilt WHEEL && sagebuild audit --diff WHEEL rebuilt/*.whl`

type verifyOptions struct {
	buildOptions
	keep string
}

func newVerify(app *App) *cobra.Command {
	options := &verifyOptions{buildOptions: buildOptions{jobs: 4, keepGoing: true}}
	cmd := &cobra.Command{
		Use:     "verify WHEEL...",
		Short:   "Build wheels again and say whether the bytes are the same",
		Long:    verifyHelp,
		Example: verifyExamples,
		RunE:    func(cmd *cobra.Command, wheels []string) error { return runVerify(cmd.Context(), app, options, wheels) },
	}
	options.plan.addSourceFlags(cmd.Flags())
	options.addBuilderFlags(cmd.Flags())
	cmd.Flags().StringVar(&options.keep, "keep", "", "leave what was built, where it differs, in `DIR`")
	app.addJSON(cmd, "the verdicts")
	return cmd
}

func runVerify(ctx context.Context, app *App, options *verifyOptions, wheels []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load()
	if err != nil {
		return err
	}
	files, selection, err := selectWheels(p.Matrix, wheels)
	if err != nil {
		return err
	}
	r, err := options.prepare(app, "verify", p, selection, "")
	if err != nil || r == nil {
		return err
	}
	done, err := options.place(r)
	if err != nil {
		return err
	}
	defer done()
	rebuilt, results, err := r.Rebuild(ctx, files, options.keep != "")
	if err != nil {
		return err
	}
	return writeRebuilt(app, options, rebuilt, results)
}

// selectWheels finds the target of each wheel by its name. The files are by target.
func selectWheels(m *matrix.Matrix, wheels []string) (map[string]string, []matrix.Selection, error) {
	if len(wheels) == 0 {
		return nil, nil, diag.Usagef("sagebuild verify dist/*.whl", "verify wants at least one wheel")
	}
	files := map[string]string{}
	var targets []string
	for _, path := range wheels {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil, nil, diag.Usagef("ls dist", "%s is no file", path)
		}
		target, err := cellOfWheel(m, filepath.Base(path), "sagebuild matrix")
		if err != nil {
			return nil, nil, err
		}
		if other := files[target]; other != "" {
			return nil, nil, diag.Usagef("sagebuild verify "+path, "%s and %s are of one target: verify one after the other", other, path)
		}
		files[target] = path
		targets = append(targets, target)
	}
	selection, err := m.Select(targets)
	return files, selection, err
}

// place gives a run the directory that receives what it builds: the one that keeps it, or a temporary one. It returns
// the function that removes the temporary one.
func (o *verifyOptions) place(r *run.Run) (func(), error) {
	if o.keep != "" {
		r.Options.Dist = o.keep
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "sagebuild-verify-")
	r.Options.Dist = dir
	return func() { _ = os.RemoveAll(dir) }, err
}
