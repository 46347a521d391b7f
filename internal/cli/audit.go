package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/audit"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/torch"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
)

const auditHelp = `Audit says what a wheel holds and where it works, from its bytes alone: it needs no GPU, CUDA toolkit or network, and
takes wheels of anybody, for Linux and Windows. It lists the device code by SM and the GPUs that can load it, the
registers and shared memory of kernels, the oldest glibc and libstdc++ that shared objects run on, the library that must
provide each undefined symbol, or the DLLs that a DLL imports, and findings with a severity.

Any error among the findings makes the exit code 4. A policy file adds rules and changes severities; --torch looks every
symbol of torch up in a torch wheel, in the directory where one is installed, or in a release such as 2.8.0 or 2.8, which
pip fetches once from the index it is set to, the only use of a network; --diff tells two wheels apart.
docs/audit.md describes policy files, findings and their limits.`

const auditExamples = `  sagebuild audit dist/*.whl
  sagebuild audit --kernels torchaudio-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl
  sagebuild audit --policy policy.hcl --torch /usr/lib/python3/site-packages/torch WHEEL
  sagebuild audit --torch 2.8.0 torchvision-0.23.0-cp312-cp312-manylinux_2_28_x86_64.whl
  sagebuild audit --diff OLD.whl NEW.whl`

type auditOptions struct {
	matrix, policy, torch, source string
	kernels, diff, all            bool
	state                         stateOptions
}

func newAudit(app *App) *cobra.Command {
	var options auditOptions
	cmd := &cobra.Command{
		Use:     "audit WHEEL...",
		Short:   "Say what a wheel with CUDA code holds, and on which GPUs and systems it works",
		Long:    auditHelp,
		Example: auditExamples,
		RunE:    func(cmd *cobra.Command, wheels []string) error { return runAudit(cmd.Context(), app, options, wheels) },
	}
	cmd.Flags().StringVar(&options.policy, "policy", "", "HCL `FILE` with required SMs, size limits and allowed dependencies")
	cmd.Flags().StringVar(&options.torch, "torch", "", "torch wheel, directory of an installed torch, or release to fetch, 2.8 for its newest patch: `PATH|X.Y[.Z]`")
	cmd.Flags().StringVar(&options.source, "source", ".", "`DIR`ectory with lock/, whose hashes a fetched torch must have where it pins the release")
	options.state.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&options.kernels, "kernels", false, "list every kernel, not only sums")
	cmd.Flags().BoolVar(&options.all, "all", false, "write every finding, not some of each code")
	cmd.Flags().BoolVar(&options.diff, "diff", false, "compare two wheels: SMs, sizes, symbols, kernels")
	cmd.Flags().StringVar(&options.matrix, "matrix", "", "matrix definition `FILE`, which names the GPUs (default: the built-in one)")
	app.addJSON(cmd, "the audit")
	return cmd
}

func runAudit(ctx context.Context, app *App, options auditOptions, wheels []string) error {
	if len(wheels) == 0 {
		return diag.Usagef("sagebuild audit dist/*.whl", "audit wants at least one wheel")
	}
	if options.diff && (len(wheels) != 2 || options.policy != "" || options.torch != "") {
		return diag.Usagef("sagebuild audit --diff OLD.whl NEW.whl", "--diff wants two wheels, without --policy and --torch")
	}
	settings, err := options.load(ctx, app)
	if err != nil {
		return err
	}
	reports, err := auditAll(ctx, settings, wheels)
	switch {
	case err != nil:
		return err
	case options.diff:
		return writeDiff(app, options, reports)
	}
	return writeReports(app, reports)
}

func (o auditOptions) load(ctx context.Context, app *App) (settings audit.Options, err error) {
	settings.Torch, settings.Kernels, settings.All = o.torch, o.kernels, o.all
	if torch.IsRelease(o.torch) && !exists(o.torch) {
		if settings.FindTorch, err = o.fetchTorch(ctx, app); err != nil {
			return settings, err
		}
	}
	if settings.Matrix, err = loadMatrix(ctx, o.matrix); err != nil {
		return settings, err
	}
	if settings.Sources, err = kernels.Default(); err != nil || o.policy == "" {
		return settings, err
	}
	settings.Policy, err = loadPolicy(ctx, o.policy)
	return settings, err
}

// fetchTorch returns a function that finds the release of torch for a wheel's interpreter and machine.
func (o auditOptions) fetchTorch(ctx context.Context, app *App) (func(*wheel.Wheel) (string, error), error) {
	dir, err := o.state.dir()
	if err != nil {
		return nil, err
	}
	store := torch.Store{State: dir, Locks: filepath.Join(o.source, "lock"), Log: notes{app.Console}}
	return func(w *wheel.Wheel) (string, error) {
		request, err := torch.RequestFor(o.torch, w.Filename)
		if err != nil {
			return "", err
		}
		return store.Wheel(ctx, request)
	}, nil
}

// auditAll audits each wheel. Of several, one that cannot be read does not keep the others from their reports.
// An interruption ends it behind the wheel that is being read.
func auditAll(ctx context.Context, settings audit.Options, wheels []string) ([]*audit.Report, error) {
	reports := make([]*audit.Report, 0, len(wheels))
	for _, wheel := range wheels {
		report, err := audit.Run(wheel, settings)
		var failed *fs.PathError
		if len(wheels) > 1 && errors.As(err, &failed) && failed.Path == wheel {
			report, err = audit.Unreadable(wheel, err), nil
		}
		if err := cmp.Or(ctx.Err(), err); err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

type auditJSON struct {
	Wheels []*audit.Report `json:"wheels"`
}

func writeReports(app *App, reports []*audit.Report) error {
	text := func(w io.Writer, color bool) error { return writeReportTexts(w, color, reports) }
	if err := app.print(auditJSON{reports}, text); err != nil {
		return err
	}
	failed := 0
	for _, report := range reports {
		if report.Failed() {
			failed++
		}
	}
	if failed > 0 {
		return reported(diag.Mismatch, "", "%d of %s failed", failed, ui.Count(len(reports), "wheel"))
	}
	return nil
}

func writeReportTexts(w io.Writer, color bool, reports []*audit.Report) error {
	for at, report := range reports {
		if at > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if err := report.WriteText(w, color); err != nil {
			return err
		}
	}
	return nil
}

// diffLines is how many lines of each list a diff prints for people; --kernels and --json print all.
const diffLines = 40

func writeDiff(app *App, options auditOptions, reports []*audit.Report) error {
	for _, report := range reports {
		if !report.Readable() {
			return writeReports(app, reports)
		}
	}
	changes := audit.ChangesOf(reports[0], reports[1])
	most := diffLines
	if options.kernels {
		most = 0
	}
	return app.print(changes, func(w io.Writer, color bool) error { return changes.WriteText(w, color, most) })
}
