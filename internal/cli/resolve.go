package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/matrix"
)

const resolveHelp = `Resolve says which wheel serves a Python, a torch and a CUDA, which command installs it, and why each other wheel
does not fit. It knows the wheels of the matrix, those in dist/, and with --index those of a published site.

--gpu takes a GPU's name, as nvidia-smi prints it or shorter, or its compute capability, and explains where a wheel has
no machine code for it. --torch may be what torch.__version__ says: 2.8.0+cu129 answers --cuda as well.

--check proves it instead: the real pip and the real uv of this machine install every wheel of dist/ (or of --index DIR)
from its index on the loopback interface, and must choose exactly this file and leave torch alone. docs/index.md says
what that proves.`

const resolveExamples = `  sagebuild resolve --python 3.12 --torch 2.8.0 --cuda 12.9
  sagebuild resolve --python 3.11 --torch 2.7.1+cu128 --gpu "RTX 4090"
  sagebuild resolve --python 3.12 --torch 2.8 --index https://example.org/wheels
  sagebuild resolve --check`

type resolveOptions struct {
	matrix, dist, index                string
	python, torch, cuda, gpu, platform string
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
				return runResolveCheck(cmd.Context(), app, options)
			}
			return runResolve(cmd.Context(), app, options)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.python, "python", "", "the user's Python `VERSION`: 3.12")
	flags.StringVar(&options.torch, "torch", "", "the user's torch `VERSION`: 2.8.0 or 2.8.0+cu129")
	flags.StringVar(&options.cuda, "cuda", "", "the CUDA `VERSION` of the user's torch: 12.9 (default: that of --torch, else any)")
	flags.StringVar(&options.gpu, "gpu", "", "the user's GPU, by `NAME` or compute capability")
	flags.StringVar(&options.platform, "platform", "linux_x86_64", "the user's platform `TAG`")
	flags.StringVar(&options.index, "index", "", "published site: a `DIR`ectory or a URL")
	flags.StringVar(&options.dist, "dist", "dist", "`DIR`ectory with wheels")
	flags.StringVar(&options.matrix, "matrix", "", "matrix definition `FILE` (default: the built-in one)")
	flags.BoolVar(&options.check, "check", false, "prove for every wheel that pip and uv install it")
	app.addJSON(cmd, "the answer")
	return cmd
}

func runResolve(ctx context.Context, app *App, options resolveOptions) error {
	m, err := matrix.Load(options.matrix)
	if err != nil {
		return err
	}
	need, err := options.need(m)
	if err != nil {
		return err
	}
	candidates, err := options.candidates(ctx, app, m)
	if err != nil {
		return err
	}
	answer := newAnswer(need, index.Resolve(need, candidates), options.site())
	if answer.Wheel == "" {
		answer.Facts = index.Facts(m, need)
	}
	if app.JSON {
		err = app.Console.JSON(answer)
	} else {
		err = answer.write(app.Console)
	}
	if err == nil && answer.Wheel == "" {
		err = reported(diag.Failed, "sagebuild matrix", "no wheel fits")
	}
	return err
}

// need reads the flags.
func (o resolveOptions) need(m *matrix.Matrix) (need index.Need, err error) {
	if o.python == "" || o.torch == "" {
		return need, diag.Usagef("sagebuild resolve --python 3.12 --torch 2.8.0 --cuda 12.9", "--python and --torch are needed")
	}
	torch, local, _ := strings.Cut(o.torch, "+")
	cuda := o.cuda
	if digits, ok := strings.CutPrefix(local, "cu"); ok && cuda == "" && len(digits) == 3 {
		cuda = digits[:2] + "." + digits[2:]
	}
	if need.Python, err = flagVersion("python", o.python, "3.12"); err != nil {
		return need, err
	}
	if need.Torch, err = flagVersion("torch", torch, "2.8.0"); err != nil {
		return need, err
	}
	if cuda != "" {
		if need.CUDA, err = flagVersion("cuda", cuda, "12.9"); err != nil {
			return need, err
		}
	}
	need.Platform = o.platform
	if o.gpu != "" {
		gpu, err := index.FindGPU(m, o.gpu)
		if err != nil {
			return need, err
		}
		need.GPU = &gpu
	}
	return need, nil
}

func flagVersion(flag, text, example string) (matrix.Version, error) {
	version, err := matrix.ParseVersion(text)
	if err != nil || version.Parts() < 2 {
		return version, diag.Usagef("--"+flag+" "+example, "--%s is %q, want a version such as %s", flag, text, example)
	}
	return version, nil
}

func (o resolveOptions) isURL() bool {
	return strings.HasPrefix(o.index, "https://") || strings.HasPrefix(o.index, "http://")
}

// site is the URL that commands name, if there is one.
func (o resolveOptions) site() string {
	if o.isURL() {
		return o.index
	}
	return ""
}

// candidates are the published wheels where a site is given, else those of the matrix and of dist/.
func (o resolveOptions) candidates(ctx context.Context, app *App, m *matrix.Matrix) ([]index.Candidate, error) {
	if o.index != "" {
		manifest, err := o.manifest(ctx)
		if err != nil {
			return nil, err
		}
		return index.AddPublished(nil, manifest, func(e index.Entry) string { return o.place(e) }), nil
	}
	planned, err := index.Planned(m)
	if err != nil {
		return nil, err
	}
	all, skipped, err := index.AddFiles(planned, o.dist)
	for _, reason := range skipped {
		app.Console.Warn("%v", reason)
	}
	return all, err
}

func (o resolveOptions) place(e index.Entry) string {
	if o.isURL() {
		return strings.TrimSuffix(o.index, "/") + "/" + e.Path()
	}
	return filepath.Join(o.index, e.Path())
}

// manifest reads the site's list of wheels.
func (o resolveOptions) manifest(ctx context.Context) (*index.Manifest, error) {
	if !o.isURL() {
		manifest, err := index.ReadManifest(o.index)
		if err == nil && len(manifest.Wheels) == 0 {
			err = diag.Usagef("sagebuild index --output "+o.index, "there is no site at %s", o.index)
		}
		return manifest, err
	}
	url := strings.TrimSuffix(o.index, "/") + "/" + index.ManifestFile
	text, err := fetch(ctx, url)
	if err != nil {
		return nil, &diag.Error{Class: diag.Environment, Message: "reading " + url, Err: err, Hint: "curl " + url}
	}
	manifest, err := index.ParseManifest(text)
	if err != nil {
		return nil, diag.Usagef("sagebuild resolve --index DIR", "%s is no list of wheels: %v", url, err)
	}
	return manifest, nil
}

// manifestLimit bounds what a server can make us read.
const manifestLimit = 64 << 20

func fetch(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server says %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, manifestLimit+1))
	if err == nil && len(text) > manifestLimit {
		err = fmt.Errorf("it is larger than %d bytes", manifestLimit)
	}
	return text, err
}

// answer is what resolve prints.
type answer struct {
	Need     index.Need      `json:"need"`
	Wheel    string          `json:"wheel,omitempty"`
	Target   string          `json:"target,omitempty"`
	File     string          `json:"file,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
	Commands *index.Commands `json:"commands,omitempty"`
	Others   []otherWheel    `json:"others"`
	Facts    []string        `json:"facts,omitempty"`
}

type otherWheel struct {
	Wheel        string   `json:"wheel"`
	Fits         bool     `json:"fits"`
	Reasons      []string `json:"reasons"`
	OtherMachine bool     `json:"otherMachine"`
}

func newAnswer(need index.Need, verdicts []index.Verdict, site string) answer {
	a := answer{Need: need, Others: []otherWheel{}}
	for i, v := range verdicts {
		if i == 0 && v.Fits() {
			commands := index.InstallCommands(v.Candidate, need, site)
			a.Wheel, a.Target, a.File, a.Notes, a.Commands = v.Candidate.Filename, v.Candidate.Target, v.Candidate.File, v.Notes, &commands
			continue
		}
		reasons := v.Reasons
		if v.Fits() {
			reasons = append([]string{"it fits as well; the one above fits better or is newer"}, v.Notes...)
		}
		a.Others = append(a.Others, otherWheel{v.Candidate.Filename, v.Fits(), reasons, v.OtherMachine})
	}
	return a
}

func (a answer) write(console *ui.Console) error {
	if a.Wheel != "" {
		fmt.Fprintf(console.Out, "%s\n", ui.Paint(a.Wheel, ui.Green, console.OutColor))
		for _, note := range a.Notes {
			fmt.Fprintf(console.Out, "  note: %s\n", note)
		}
		if a.Commands.Build != "" {
			fmt.Fprintf(console.Out, "\n  %s\n", a.Commands.Build)
		}
		fmt.Fprintf(console.Out, "\n  %s\n  %s\n\n", a.Commands.Pip, a.Commands.Uv)
	}
	table := &ui.Table{Header: []string{"other wheel", "because"}}
	if a.Wheel == "" {
		table.Header[0] = "wheel"
	}
	elsewhere := 0
	for _, other := range a.Others {
		if other.OtherMachine {
			elsewhere++
			continue
		}
		table.Add(ui.Text(other.Wheel), ui.Text(strings.Join(other.Reasons, "; ")))
	}
	if elsewhere > 0 {
		table.Add(ui.Text(describe(elsewhere, "more wheel")), ui.Text("for another system or processor than "+a.Need.Platform))
	}
	for _, fact := range a.Facts {
		defer fmt.Fprintln(console.Out, fact)
	}
	return table.Write(console.Out, console.OutColor)
}

// proofs is what resolve --check prints.
type proofs struct {
	Proofs  []index.Proof   `json:"proofs"`
	Missing []index.Missing `json:"missing"`
}

func runResolveCheck(ctx context.Context, app *App, options resolveOptions) error {
	installers, missing := index.FindInstallers(ctx)
	if len(installers) == 0 {
		return &diag.Error{Class: diag.Environment, Message: "there is neither pip nor uv to check with", Hint: "apt-get install python3-pip"}
	}
	for _, m := range missing {
		app.Console.Warn("not checked with %s: %s", m.Name, m.Reason)
	}
	dir, done, err := options.checkedSite(ctx)
	if err != nil {
		return err
	}
	defer done()
	list, err := index.Check(ctx, dir, installers)
	if err != nil {
		return err
	}
	if app.JSON {
		err = app.Console.JSON(proofs{list, append([]index.Missing{}, missing...)})
	} else {
		err = writeProofs(app.Console, list)
	}
	if err != nil {
		return err
	}
	return failedProofs(list)
}

// checkedSite is the site that is given, or one made of dist/ for the occasion.
func (o resolveOptions) checkedSite(ctx context.Context) (dir string, done func(), err error) {
	if o.isURL() {
		return "", nil, diag.Usagef("sagebuild resolve --check --index DIR", "--check serves a directory itself, it cannot use %s", o.index)
	}
	if o.index != "" {
		_, err := o.manifest(ctx)
		return o.index, func() {}, err
	}
	temporary, err := os.MkdirTemp("", "sagebuild-site-")
	if err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(temporary) }
	dir = filepath.Join(temporary, "site")
	if _, err := index.Build(ctx, index.Options{Dist: o.dist, Output: dir}); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

func writeProofs(console *ui.Console, list []index.Proof) error {
	table := &ui.Table{Header: []string{"wheel", "installer", "pages", "torch", "result"}}
	for _, p := range list {
		result := ui.Cell{Text: "exactly this file", Color: ui.Green}
		if p.Problem != "" {
			result = ui.Cell{Text: p.Problem, Color: ui.Red}
		}
		table.Add(ui.Text(p.Wheel), ui.Text(p.Installer.Name+" "+p.Installer.Version), ui.Text(p.Page), ui.Text(p.Torch), result)
	}
	return table.Write(console.Out, console.OutColor)
}

func failedProofs(list []index.Proof) error {
	failed := 0
	for _, p := range list {
		if p.Problem != "" {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return reported(diag.Verification, "sagebuild resolve --check --json", "%d of %d installations went wrong", failed, len(list))
}
