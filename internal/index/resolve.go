package index

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"

	"github.com/sagebuild/sagebuild/internal/gpu"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Need is what a user has.
type Need struct {
	Project  string         `json:"package"` // what pip installs, normalised by PEP 503: sageattention
	Python   matrix.Version `json:"python"`  // two numbers count
	Torch    Torch          `json:"torch"`
	CUDA     matrix.Version `json:"cuda,omitzero"`   // torch's; zero where the user does not care
	Driver   Driver         `json:"driver,omitzero"` // zero where it is not known
	Platform string         `json:"platform"`        // a platform tag: linux_x86_64
	GPU      *gpu.GPU       `json:"gpu,omitempty"`
}

// Verdict is a candidate held against a need.
type Verdict struct {
	Candidate    Candidate
	Reasons      []string // why the wheel does not fit; empty if it fits
	Notes        []string // what to know about a wheel that fits
	OtherMachine bool     // one of the reasons: the wheel is for another system or processor
	rank         int      // how far from perfect: universal, another CUDA, and worst no machine code of its own
}

// Fits reports whether the wheel serves the need.
func (v Verdict) Fits() bool { return len(v.Reasons) == 0 }

// Resolve judges the candidates of the wanted project and puts the best first: the fewest reasons, then the lowest rank,
// then the newest.
func Resolve(need Need, candidates []Candidate) []Verdict {
	var verdicts []Verdict
	for _, candidate := range candidates {
		if candidate.Project == need.Project {
			verdicts = append(verdicts, judge(need, candidate))
		}
	}
	slices.SortStableFunc(verdicts, func(a, b Verdict) int {
		return cmp.Or(cmp.Compare(len(a.Reasons), len(b.Reasons)), cmp.Compare(a.rank, b.rank), newer(a.Candidate, b.Candidate))
	})
	return verdicts
}

// newer puts the newest version first, then the newest torch and CUDA.
func newer(a, b Candidate) int {
	av, _ := matrix.ParseVersion(a.Version) // zero for versions with letters
	bv, _ := matrix.ParseVersion(b.Version)
	return cmp.Or(bv.Compare(av), b.Channel.Torch.Compare(a.Channel.Torch), b.Channel.CUDA.Compare(a.Channel.CUDA))
}

func judge(need Need, candidate Candidate) Verdict {
	v := Verdict{Candidate: candidate}
	if candidate.Channel.IsUniversal() {
		v.rank++
	}
	v.judgeTorch(need)
	v.judgePython(need)
	v.judgePlatform(need)
	v.judgeCUDA(need)
	if need.GPU != nil {
		v.judgeGPU(*need.GPU)
	}
	return v
}

func (v *Verdict) refuse(format string, args ...any) {
	v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
}

func (v *Verdict) note(format string, args ...any) {
	v.Notes = append(v.Notes, fmt.Sprintf(format, args...))
	v.rank++
}

func (v *Verdict) judgeTorch(need Need) {
	if why := need.Torch.Refusal(); why != "" {
		v.refuse("%s", why)
	}
	specifier, ok := requirementOf("torch", v.Candidate.RequiresDist)
	if ok && !satisfies(need.Torch.version, specifier) {
		v.refuse("it requires torch%s, not %s", specifier, need.Torch)
	}
}

func (v *Verdict) judgePython(need Need) {
	names := v.Candidate.names
	switch {
	case !slices.ContainsFunc(names.Python, func(tag string) bool { return fitsPython(tag, names.ABI, need.Python) }):
		v.refuse("it is for Python %s, not %s", v.Candidate.python(), need.Python.Minor())
	case v.Candidate.RequiresPython != "" && !satisfies(pep440.MustParse(need.Python.String()), v.Candidate.RequiresPython):
		v.refuse("it requires Python %s, not %s", v.Candidate.RequiresPython, need.Python)
	}
}

// fitsPython reads cp312 as exactly CPython 3.12, cp39 with ABI abi3 as CPython 3.9 and newer, py39 as 3.9 and newer.
func fitsPython(tag string, abis []string, python matrix.Version) bool {
	kind, digits := tag[:min(2, len(tag))], tag[min(2, len(tag)):]
	if digits == "" || kind != "cp" && kind != "py" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	major, _ := strconv.Atoi(digits[:1])
	minor, _ := strconv.Atoi(digits[1:]) // no digits count as 0
	release, err := matrix.ParseVersion(fmt.Sprintf("%d.%d", major, minor))
	if err != nil || python.Major() != major {
		return false
	}
	if kind == "py" || slices.Contains(abis, "abi3") {
		return release.Compare(python.Minor()) <= 0
	}
	return release == python.Minor()
}

func (v *Verdict) judgePlatform(need Need) {
	platforms := v.Candidate.names.Platform
	fits := func(tag string) bool { return tag == "any" || machine(tag) == machine(need.Platform) }
	if !slices.ContainsFunc(platforms, fits) {
		v.OtherMachine = true
		v.refuse("it is for %s, not %s", strings.Join(platforms, ", "), need.Platform)
	}
}

// judgeCUDA asks one question: does the driver run what the CUDA of the kernels made? Every driver that is new enough for
// a major release of CUDA runs the machine code of its minor releases, and of older ones. torch's own CUDA matters as far
// as it tells the driver: a torch of CUDA 13.0 runs on no driver that is too old for kernels of 12.9.
func (v *Verdict) judgeCUDA(need Need) {
	built := v.Candidate.kernelsCUDA()
	oldest := Driver(drivers[built.Major()])
	switch {
	case built.IsZero():
	case need.Driver != 0 && need.Driver < oldest:
		v.refuse("its kernels are built with CUDA %s and need driver %d or newer, not %d", built, oldest, need.Driver)
	case need.CUDA.IsZero() || built == need.CUDA.Minor():
	case need.Driver == 0 && built.Major() > need.CUDA.Major():
		v.rank += 2 // behind a wheel whose kernels surely run
		v.note("its kernels are built with CUDA %s and need driver %d or newer; torch's CUDA %s is content with an older one", built, oldest, need.CUDA.Minor())
	case !v.Candidate.Channel.IsUniversal():
		v.note("its kernels are built with CUDA %s, not %s; they need the driver alone, and yours runs them", built, need.CUDA.Minor())
	}
}

func (v *Verdict) judgeGPU(gpu gpu.GPU) {
	c := v.Candidate
	why := ""
	for _, exclusion := range c.Excluded {
		if exclusion.SM == gpu.SM {
			why = ": " + exclusion.Reason()
		}
	}
	images := c.images()
	if len(images) == 0 {
		v.note("it holds no device code that could be checked against SM %s", gpu.SM)
		return
	}
	image, way := kernels.Load(images, gpu.SM)
	if way != kernels.Native {
		v.rank++ // the note below adds one more
	}
	switch way {
	case kernels.Native:
	case kernels.SameMajor:
		v.note("it has no code for SM %s%s; the driver loads that for %s", gpu.SM, why, image.Arch)
	case kernels.JIT:
		v.note("it has no code for SM %s%s; the driver compiles the PTX for %s at first use%s", gpu.SM, why, image.Arch, c.compilers())
	default:
		if why == "" {
			why = ": it has " + c.smsText()
		}
		v.refuse("it has no code for SM %s%s", gpu.SM, why)
	}
}

// Facts are the rules of the definition about the torch of the need. They help where no wheel serves the need.
func Facts(m *matrix.Matrix, need Need) []string {
	var facts []string
	for _, rule := range m.Rules() {
		if rule.Subject == matrix.TorchSubject(need.Torch.Release) {
			facts = append(facts, fmt.Sprintf("%s (source: %s)", rule.Text, rule.Source))
		}
	}
	return facts
}
