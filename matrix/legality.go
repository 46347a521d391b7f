package matrix

import (
	"fmt"
	"slices"
	"strings"
)

// Names of the rules. The facts behind the rules are in the definition file.
const (
	ruleTorchCUDA   = "torch-cuda"
	ruleTorchPython = "torch-python"
	ruleCUDATargets = "cuda-targets"
	ruleCUDADrops   = "cuda-drops"
	ruleSMMinimum   = "sm-minimum"
	ruleSMImage     = "sm-image"
	rulePackageSMs  = "package-sms" // beside package-torch, package-cuda and package-python
)

// TorchSubject is the subject of the rules about a torch: torch 2.8. The rules know the first two numbers of a
// version.
func TorchSubject(torch Version) string { return "torch " + torch.Minor().String() }

func cudaSubject(cuda Version) string { return "CUDA " + cuda.String() }

func smSubject(sm SM) string { return "SM " + sm.String() }

func (t torchRelease) cudaRule() Rule {
	return Rule{ruleTorchCUDA, TorchSubject(t.version), fmt.Sprintf("torch %s is built for CUDA %s", t.version, Sentence(t.cuda)), t.source}
}

func (t torchRelease) pythonRule() Rule {
	return Rule{ruleTorchPython, TorchSubject(t.version), fmt.Sprintf("torch %s is built for Python %s", t.version, Sentence(t.python)), t.source}
}

func (t toolkit) targetsRule() Rule {
	return Rule{ruleCUDATargets, cudaSubject(t.version), fmt.Sprintf("CUDA %s compiles for SM %s", t.version, Sentence(t.targets)), t.source}
}

// rule says what wheels hold for the SM.
func (g gpuFamily) rule() Rule {
	if !g.compiled() {
		return Rule{ruleSMImage, smSubject(g.sm), fmt.Sprintf("%s runs the code of %s", g.sm, g.image), g.source}
	}
	return Rule{ruleSMMinimum, smSubject(g.sm), fmt.Sprintf("%s needs CUDA %s or newer", g.sm, g.minimum), g.source}
}

// Sentence joins values as "a, b and c".
func Sentence[T fmt.Stringer](values []T) string { return join(values, " and ") }

// choice joins values as "a, b or c".
func choice[T fmt.Stringer](values []T) string { return join(values, " or ") }

func join[T fmt.Stringer](values []T, word string) string {
	words := make([]string, len(values))
	for i, value := range values {
		words[i] = value.String()
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + word + words[last]
}

// split divides the SMs that kernels are compiled for: wheels of pkg built with CUDA release at hold those included,
// and not those excluded.
func (m *Matrix) split(pkg Package, at toolkit) (included []SM, excluded []Exclusion) {
	excluded = []Exclusion{} // [] in JSON, never null
	for _, family := range m.sms {
		if !family.compiled() {
			continue
		}
		rule := pkg.objection(family.sm)
		if rule == nil {
			rule = m.objection(family, at)
		}
		if rule != nil {
			excluded = append(excluded, Exclusion{SM: family.sm, Rule: *rule})
		} else {
			included = append(included, family.sm)
		}
	}
	return included, excluded
}

// objection is the rule that keeps family out of wheels built with CUDA release at, or nil.
func (m *Matrix) objection(family gpuFamily, at toolkit) *Rule {
	if family.minimum.Compare(at.version) > 0 {
		rule := family.rule()
		return &rule
	}
	if slices.Contains(at.targets, family.sm) {
		return nil
	}
	rule := m.missingTarget(family.sm, at)
	return &rule
}

// missingTarget explains why at does not compile for sm: an older toolkit still did, or only a newer one does.
func (m *Matrix) missingTarget(sm SM, at toolkit) Rule {
	for i, release := range m.toolkits { // old to new
		if !slices.Contains(release.targets, sm) {
			continue
		}
		if release.version.Compare(at.version) < 0 {
			return m.drop(sm, m.toolkits[i:])
		}
		text := fmt.Sprintf("%s is a target of CUDA %s and newer, not of %s", sm, release.version, at.version)
		return Rule{ruleCUDATargets, smSubject(sm), text, release.source}
	}
	return Rule{ruleCUDATargets, smSubject(sm), fmt.Sprintf("%s is a target of no CUDA release of this matrix", sm), at.source}
}

// drop names the first of releases that no longer compiles for sm. The releases are old to new, and the first still
// does.
func (m *Matrix) drop(sm SM, releases []toolkit) Rule {
	at := slices.IndexFunc(releases, func(t toolkit) bool { return !slices.Contains(t.targets, sm) })
	release := releases[at]
	return Rule{ruleCUDADrops, cudaSubject(release.version), fmt.Sprintf("CUDA %s dropped %s", release.version, sm), release.source}
}

// Rules lists every legality rule with its source, in the order of the definition.
func (m *Matrix) Rules() []Rule {
	var rules []Rule
	for _, pkg := range m.packages {
		rules = append(rules, pkg.rules()...)
	}
	for _, torch := range m.torches {
		rules = append(rules, torch.cudaRule(), torch.pythonRule())
	}
	for i, release := range m.toolkits {
		rules = append(rules, release.targetsRule())
		rules = append(rules, m.drops(i)...)
	}
	for _, family := range m.sms {
		rules = append(rules, family.rule())
	}
	return rules
}

// drops lists the SMs of the matrix that release i no longer compiles for, while the release before it still did.
func (m *Matrix) drops(i int) []Rule {
	if i == 0 {
		return nil
	}
	var rules []Rule
	before, now := m.toolkits[i-1], m.toolkits[i]
	for _, family := range m.sms {
		if slices.Contains(before.targets, family.sm) && !slices.Contains(now.targets, family.sm) {
			rules = append(rules, m.drop(family.sm, m.toolkits[i-1:]))
		}
	}
	return rules
}
