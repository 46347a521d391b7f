package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/gpu"
	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

const resolveHelp = `Resolve says which wheel serves a Python, a torch and a CUDA, which command installs it, and why each other wheel
does not fit. It knows the wheels of the matrix, those in dist/, and with --index those of a published site.

--gpu takes a GPU's name, as nvidia-smi prints it or shorter, or its compute capability, and explains where a wheel has
no machine code for it. --torch may be what torch.__version__ says, also of a nightly or a vendor's build: 2.8.0+cu129
answers --cuda as well, and a torch for the CPU, ROCm or XPU gets no wheel. --driver is what nvidia-smi prints: a wheel
needs a driver that is new enough for the CUDA of its kernels, whatever torch's CUDA is.

--check is "sagebuild index --check": it proves for every wheel of dist/, or of --index DIR, that pip and uv install it.`

const resolveExamples = `  sagebuild resolve --python 3.12 --torch 2.8.0 --cuda 12.9
  sagebuild resolve --python 3.11 --torch 2.7.1+cu128 --gpu "RTX 4090"
  sagebuild resolve --python 3.12 --torch 2.15.0 --gpu "NVIDIA GB10" --driver 580.95.05
  sagebuild resolve --python 3.12 --torch 2.8 --gpu "RTX 5090" --package sageattn3
  sagebuild resolve --python 3.12 --torch 2.8 --index https://example.org/wheels
  sagebuild resolve --check`

type resolveOptions struct {
	matrix, dist, index                string
	python, torch, cuda, gpu, platform string
	driver, project                    string
	check                              bool
}

func newResolve(app *App) *cobra.Command {
	var options resolveOptions
	cmd := &cobra.Command{
		Use:     "resolve",
		Short:   "Say which wheel a user needs, how to install it, and why the others do not fit",
		Long:    resolveHelp,
		Example: resolveExamples,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.check {
				return runCheck(cmd.Context(), app, siteOptions{options.dist, options.index})
			}
			return runResolve(cmd.Context(), app, options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.python, "python", "", "the user's Python `VERSION`: 3.12")
	flags.StringVar(&options.torch, "torch", "", "the user's torch `VERSION`: 2.8.0 or 2.8.0+cu129")
	flags.StringVar(&options.cuda, "cuda", "", "the CUDA `VERSION` of the user's torch: 12.9 (default: that of --torch, else any)")
	flags.StringVar(&options.driver, "driver", "", "the `VERSION` of the user's NVIDIA driver, as nvidia-smi prints it (default: any)")
	flags.StringVar(&options.gpu, "gpu", "", "the user's GPU, by `NAME` or compute capability")
	flags.StringVar(&options.project, "package", "", "the package by its `NAME` in the definition, or as pip knows it (default: the default target's)")
	flags.StringVar(&options.platform, "platform", "linux_x86_64", "the user's platform `TAG`")
	flags.StringVar(&options.index, "index", "", "published site: a `DIR`ectory or a URL")
	flags.StringVar(&options.dist, "dist", index.DefaultDist, "`DIR`ectory with wheels")
	flags.StringVar(&options.matrix, "matrix", "", "matrix definition `FILE` (default: the built-in one)")
	flags.BoolVar(&options.check, "check", false, "prove for every wheel that pip and uv install it, as index --check does")
	app.addJSON(cmd, "the answer")
	return cmd
}

func runResolve(ctx context.Context, app *App, options resolveOptions) error {
	m, err := loadMatrix(ctx, options.matrix)
	if err != nil {
		return err
	}
	need, err := options.need(m)
	if err != nil {
		return err
	}
	if why := need.Torch.Refusal(); why != "" {
		return noCUDA(options, why)
	}
	candidates, err := options.candidates(ctx, app, m)
	if err != nil {
		return err
	}
	answer := newAnswer(need, index.Resolve(need, candidates), options.site(), options.dist)
	if answer.Wheel == "" {
		answer.Facts = index.Facts(m, need)
	}
	if err := app.print(answer, answer.write); err != nil || answer.Wheel != "" {
		return err
	}
	return reported(diag.Failed, "sagebuild matrix", "no wheel fits")
}

// noCUDA is the one reason against every wheel, so that no table repeats it.
func noCUDA(options resolveOptions, why string) error {
	release, _, _ := strings.Cut(options.torch, "+")
	hint := diag.Command("sagebuild", "resolve", "--python", options.python, "--torch", release) + ", with a torch that is built for CUDA"
	return &diag.Error{Class: diag.Failed, Message: fmt.Sprintf("no wheel fits torch %s: %s", options.torch, why), Hint: hint}
}

// need reads the flags.
func (o resolveOptions) need(m *matrix.Matrix) (need index.Need, err error) {
	if o.python == "" || o.torch == "" {
		return need, diag.Usagef("sagebuild resolve --python 3.12 --torch 2.8.0 --cuda 12.9", "--python and --torch are needed")
	}
	if need.Python, err = flagVersion("python", o.python, "3.12"); err != nil {
		return need, err
	}
	if need.Torch, err = index.ParseTorch(o.torch); err != nil {
		return need, diag.Usagef("--torch 2.8.0", "--torch is %q, want a version such as 2.8.0 or 2.8.0+cu129", o.torch)
	}
	if need.Project, err = o.wantedProject(m); err != nil {
		return need, err
	}
	need.CUDA = need.Torch.CUDA
	if o.cuda != "" {
		if need.CUDA, err = flagVersion("cuda", o.cuda, "12.9"); err != nil {
			return need, err
		}
	}
	if o.driver != "" {
		if need.Driver, err = index.ParseDriver(o.driver); err != nil {
			return need, diag.Usagef("nvidia-smi --query-gpu=driver_version --format=csv,noheader", "--driver: %v", err)
		}
	}
	need.Platform = o.platform
	if o.gpu != "" {
		found, err := gpu.Find(m, o.gpu)
		if err != nil {
			return need, err
		}
		need.GPU = &found
	}
	return need, nil
}

// wantedProject is what pip calls the package that the flag names.
func (o resolveOptions) wantedProject(m *matrix.Matrix) (string, error) {
	var names []string
	for _, pkg := range m.Packages() {
		if o.project == pkg.Name || wheel.NormalizeName(o.project) == wheel.NormalizeName(pkg.Distribution) {
			return wheel.NormalizeName(pkg.Distribution), nil
		}
		names = append(names, pkg.Distribution)
	}
	if o.project != "" {
		message := fmt.Sprintf("unknown package %q: the definition has %s", o.project, strings.Join(names, ", "))
		return "", diag.Usagef("--package "+cmp.Or(diag.Suggest(o.project, names), names[0]), "%s", message)
	}
	selected, err := m.Select(nil)
	if err != nil {
		return "", err
	}
	return wheel.NormalizeName(selected[0].Cell.Package.Distribution), nil
}

func flagVersion(flag, text, example string) (matrix.Version, error) {
	version, err := matrix.ParseVersion(text)
	if err != nil || version.Parts() < 2 {
		return version, diag.Usagef("--"+flag+" "+example, "--%s is %q, want a version such as %s", flag, text, example)
	}
	return version, nil
}

// site is the URL that commands name, if there is one.
func (o resolveOptions) site() string {
	if isURL(o.index) {
		return o.index
	}
	return ""
}

// candidates are the published wheels where a site is given, else those of the matrix and of dist/.
func (o resolveOptions) candidates(ctx context.Context, app *App, m *matrix.Matrix) ([]index.Candidate, error) {
	set, err := kernels.Default()
	if err != nil {
		return nil, err
	}
	planned, err := index.Planned(m, set)
	if err != nil {
		return nil, err
	}
	if o.index != "" {
		manifest, err := siteManifest(ctx, o.index)
		if err != nil {
			return nil, err
		}
		return index.Published(manifest, planned, o.place), nil
	}
	all, skipped, err := index.AddFiles(planned, o.dist)
	for _, reason := range skipped {
		app.Console.Warn("%v", reason)
	}
	return all, err
}

func (o resolveOptions) place(e index.Entry) string {
	if isURL(o.index) {
		return strings.TrimSuffix(o.index, "/") + "/" + e.Path()
	}
	return filepath.Join(o.index, e.Path())
}
