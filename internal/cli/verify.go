package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/report"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/matrix"
)

const verifyHelp = `Verify builds each wheel again, from this source, and compares all bytes. The file name says which target of the
matrix it is. Where bytes differ it names the members, and inside of them the sections of libraries, the cubins of each
SM and their sections, and the first line of a text. Provenance and SHA256SUMS beside the wheel must speak of it as well.

Steps whose inputs did not change come from the build cache, so this says whether the wheel is the one that this source
makes. Whether the steps give the same bytes again is what --no-cache says, and for a machine that never built it, --state
with an empty directory. Wheels carry the time of SOURCE_DATE_EPOCH: set it to what it was.`

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

// verdict is what came of one wheel.
type verdict struct {
	Wheel      string            `json:"wheel"`
	Target     string            `json:"target"`
	Result     string            `json:"result"` // identical, different, failed or skipped
	Cached     bool              `json:"cached"` // every step came from the build cache
	SHA256     string            `json:"sha256"`
	Rebuilt    string            `json:"rebuilt,omitempty"` // SHA-256 of what was built
	Kept       string            `json:"kept,omitempty"`    // path of what was built
	Problems   []string          `json:"problems"`          // of the files beside the wheel, or of a wheel that is none
	Difference *wheel.Difference `json:"difference,omitempty"`
	Failure    *report.Failure   `json:"failure,omitempty"` // of the build
}

// bad says whether the wheel is not what it should be.
func (v *verdict) bad() bool { return v.Result == "different" || len(v.Problems) > 0 }

func runVerify(ctx context.Context, app *App, options *verifyOptions, wheels []string) error {
	if err := options.check(); err != nil {
		return err
	}
	p, err := options.plan.load()
	if err != nil {
		return err
	}
	verdicts, selection, err := selectWheels(p.matrix, wheels)
	if err != nil {
		return err
	}
	done, err := options.place()
	if err != nil {
		return err
	}
	defer done()
	plan, err := options.makePlan(p, selection, "")
	if err != nil {
		return err
	}
	if options.print {
		return app.Console.JSON(plan)
	}
	rows, errs, err := runPlan(ctx, app, p, &options.buildOptions, plan, options.verifier(p, verdicts))
	if err != nil {
		return err
	}
	return writeVerdicts(app, options, plan, verdicts, rows, errs)
}

// selectWheels finds the target of each wheel by its name; verdicts are by target.
func selectWheels(m *matrix.Matrix, wheels []string) (map[string]*verdict, []matrix.Selection, error) {
	if len(wheels) == 0 {
		return nil, nil, diag.Usagef("sagebuild verify dist/*.whl", "verify wants at least one wheel")
	}
	verdicts := map[string]*verdict{}
	var targets []string
	for _, path := range wheels {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return nil, nil, diag.Usagef("ls dist", "%s is no file", path)
		}
		target, err := cellOfWheel(m, filepath.Base(path), "sagebuild matrix")
		if err != nil {
			return nil, nil, err
		}
		if other := verdicts[target]; other != nil {
			return nil, nil, diag.Usagef("sagebuild verify "+path, "%s and %s are of one target: verify one after the other", other.Wheel, path)
		}
		verdicts[target] = &verdict{Wheel: path, Target: target, Result: "skipped", Problems: []string{}}
		targets = append(targets, target)
	}
	selection, err := m.Select(targets)
	return verdicts, selection, err
}

// place makes the directory that receives what is built, and returns what removes it again.
func (o *verifyOptions) place() (func(), error) {
	if o.keep != "" {
		o.plan.dist = o.keep
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "sagebuild-verify-")
	o.plan.dist = dir
	return func() { _ = os.RemoveAll(dir) }, err
}

// verifier builds a target and compares. Only the build can fail.
func (o *verifyOptions) verifier(p *project, verdicts map[string]*verdict) work {
	var mutex sync.Mutex // of the memory: wheels are unpacked to be compared
	return func(ctx context.Context, s *session, target bake.Target, _ *report.Row) error {
		path, result, err := p.buildWheel(ctx, s, target)
		if err != nil {
			return err
		}
		mutex.Lock()
		defer mutex.Unlock()
		v := verdicts[target.Cell]
		v.Cached = result.Cached
		if err := v.compare(path); err != nil || v.Result != "different" || o.keep == "" {
			return err
		}
		v.Kept, err = s.staging.publishWheel(path)
		v.Kept = relative(v.Kept)
		return err
	}
}

// compare fills in the verdict for a wheel that was built again.
func (v *verdict) compare(rebuilt string) (err error) {
	if v.SHA256, err = digest.File(v.Wheel); err != nil {
		return err
	}
	if v.Rebuilt, err = digest.File(rebuilt); err != nil {
		return err
	}
	if err := v.lookBeside(); err != nil {
		return err
	}
	v.Result = "identical"
	if v.SHA256 == v.Rebuilt {
		return nil
	}
	v.Result = "different"
	v.Difference, err = wheel.Compare(v.Wheel, rebuilt)
	var refusal *wheel.FormatError
	if errors.As(err, &refusal) {
		v.Problems = append(v.Problems, refusal.Error())
		return nil
	}
	if err == nil {
		v.Difference.B.Path = "" // gone when the command ends
	}
	return err
}

// lookBeside wants provenance and SHA256SUMS in the wheel's directory to be of its bytes. Both may be missing.
func (v *verdict) lookBeside() error {
	name := filepath.Base(v.Wheel)
	sums, err := provenance.ReadSums(filepath.Dir(v.Wheel))
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
	} else if sum, listed := sums[name]; listed && sum != v.SHA256 {
		v.Problems = append(v.Problems, fmt.Sprintf("%s says SHA-256 %s", provenance.SumsFile, sum))
	}
	text, err := os.ReadFile(provenance.StatementFile(v.Wheel))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := provenance.CheckStatement(text, name, v.SHA256); err != nil {
		v.Problems = append(v.Problems, provenance.StatementFile(name)+": "+err.Error())
	}
	return nil
}
