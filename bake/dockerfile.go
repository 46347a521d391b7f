package bake

import (
	"bytes"
	_ "embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

//go:embed Dockerfile.tmpl
var dockerfileTemplate string

var dockerfile = template.Must(template.New("Dockerfile.tmpl").Option("missingkey=error").Parse(dockerfileTemplate))

// dockerfileData is what Dockerfile.tmpl reads.
type dockerfileData struct {
	SMs         []matrix.SM
	PTXStages   []ptxStage
	Stages      []kernelStage
	Packages    []packageStage
	HostHeaders []copyStep // device headers that the host library shares
}

// packageStage is the stage that makes the fatbin of a package.
type packageStage struct {
	Name   string
	Stages []string // the stages whose cubins the fatbin holds
}

// kernelStage is a stage that compiles kernels of one SM: those that the same packages hold.
type kernelStage struct {
	Name     string // kernels-sm90, kernels-sm120-sage3
	Digits   string // "90"
	SM       matrix.SM
	PTX      []ptxUse      // what the stage assembles
	Twins    []twinUse     // what it takes over from the stages of other SMs
	Copies   []copyStep    // the other sources and their headers, nothing else
	Compiles []compileStep // of these, one for each suffix
}

// Checks says whether the stage makes code itself, which it then checks.
func (s kernelStage) Checks() bool { return len(s.Compiles)+len(s.PTX) > 0 }

// copyStep copies files of one directory to the same directory of the stage.
type copyStep struct {
	Directory string
	Files     []string
}

// Arguments are the arguments of COPY, one file on each line.
func (c copyStep) Arguments() string {
	return strings.Join(append(slices.Clone(c.Files), c.Directory+"/"), " \\\n     ")
}

// compileStep is one call of the compile driver.
type compileStep struct {
	SM      string // "9.0", or "9.0a"
	Sources []string
}

// RenderDockerfile writes the Dockerfile. Each SM of the matrix has a stage that copies exactly the sources of that SM,
// so that a change recompiles only the SMs that use the changed file. Sources that a part of the SM's packages holds
// have a stage of their own, so that no wheel waits for code that it does not hold, and nothing is compiled twice. PTX
// that several SMs have in common is made once.
func RenderDockerfile(m *matrix.Matrix, k *kernels.Set) ([]byte, error) {
	if err := k.Check(m); err != nil {
		return nil, err
	}
	data := dockerfileData{SMs: m.SMs(), HostHeaders: copySteps(k.HostHeaders)}
	shares := sharesOf(m, k)
	data.PTXStages = ptxStages(shares)
	for _, share := range shares {
		data.Stages = append(data.Stages, newKernelStage(share))
	}
	for _, pkg := range m.Packages() {
		data.Packages = append(data.Packages, packageStage{pkg.Name, kernelStages(heldBy(shares, pkg, m.SMs()))})
	}
	var out bytes.Buffer
	if err := dockerfile.Execute(&out, data); err != nil {
		return nil, fmt.Errorf("rendering the Dockerfile: %w", err)
	}
	return append(bytes.TrimSpace(out.Bytes()), '\n'), nil
}

func newKernelStage(s share) kernelStage {
	var files []string
	stage := kernelStage{Name: s.stage(), Digits: s.sm.Digits(), SM: s.sm, PTX: s.ptx, Twins: s.twins}
	for _, source := range s.compiled() {
		files = append(append(files, source.Path()), source.Headers...)
		stage.addSource(source.Arch(s.sm).String(), source.Path())
	}
	stage.Copies = copySteps(files)
	return stage
}

func (s *kernelStage) addSource(sm, source string) {
	at := slices.IndexFunc(s.Compiles, func(c compileStep) bool { return c.SM == sm })
	if at < 0 {
		at = len(s.Compiles)
		s.Compiles = append(s.Compiles, compileStep{SM: sm})
	}
	s.Compiles[at].Sources = append(s.Compiles[at].Sources, source)
}

// copySteps groups files by directory, because COPY flattens what it copies.
func copySteps(files []string) []copyStep {
	files = slices.Clone(files)
	slices.Sort(files)
	var steps []copyStep
	for _, file := range slices.Compact(files) {
		directory := path.Dir(file)
		at := slices.IndexFunc(steps, func(s copyStep) bool { return s.Directory == directory })
		if at < 0 {
			at = len(steps)
			steps = append(steps, copyStep{Directory: directory})
		}
		steps[at].Files = append(steps[at].Files, file)
	}
	return steps
}
