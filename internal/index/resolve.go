package index

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Need is what a user has.
type Need struct {
	Python   matrix.Version `json:"python"`        // two numbers count
	Torch    matrix.Version `json:"torch"`         // two or three numbers
	CUDA     matrix.Version `json:"cuda,omitzero"` // torch's; zero where the user does not care
	Platform string         `json:"platform"`      // a platform tag: linux_x86_64
	GPU      *GPU           `json:"gpu,omitempty"`
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

// Resolve judges all candidates and puts the best first: the fewest reasons, then the lowest rank, then the newest.
func Resolve(need Need, candidates []Candidate) []Verdict {
	verdicts := make([]Verdict, len(candidates))
	for i, candidate := range candidates {
		verdicts[i] = judge(need, candidate)
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
	specifier, ok := requirementOf("torch", v.Candidate.RequiresDist)
	if ok && !satisfies(need.Torch, specifier) {
		v.refuse("it requires torch%s, not %s", specifier, need.Torch)
	}
}

func (v *Verdict) judgePython(need Need) {
	names := v.Candidate.names
	switch {
	case !slices.ContainsFunc(names.Python, func(tag string) bool { return fitsPython(tag, names.ABI, need.Python) }):
		v.refuse("it is for Python %s, not %s", v.Candidate.python(), need.Python.Minor())
	case v.Candidate.RequiresPython != "" && !satisfies(need.Python, v.Candidate.RequiresPython):
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

// judgeCUDA accepts a CUDA of the same major release: kernels need only the driver, and such a driver runs them.
func (v *Verdict) judgeCUDA(need Need) {
	built := v.Candidate.Channel.CUDA
	switch {
	case need.CUDA.IsZero() || v.Candidate.Channel.IsUniversal() || built == need.CUDA.Minor():
	case need.CUDA.Major() == built.Major():
		v.note("its kernels are built with CUDA %s, not %s; any driver for CUDA %d runs their machine code", built, need.CUDA.Minor(), built.Major())
	default:
		v.refuse("its kernels are built with CUDA %s and need such a driver, not one for %s", built, need.CUDA.Minor())
	}
}

func (v *Verdict) judgeGPU(gpu GPU) {
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
		v.note("it has no code for SM %s%s; the driver compiles the PTX for %s at first use", gpu.SM, why, image.Arch)
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
		if rule.Subject == matrix.TorchSubject(need.Torch) {
			facts = append(facts, fmt.Sprintf("%s (source: %s)", rule.Text, rule.Source))
		}
	}
	return facts
}
