package matrix

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// floor is the oldest release of something that a package works with.
type floor struct {
	what    string // torch, cuda or python
	version Version
	source  string
}

// floorWords are the things that can have a floor, as sentences write them.
var floorWords = map[string]string{"torch": "torch", "cuda": "CUDA", "python": "Python"}

// readOnly reads the SMs that a package is for, old to new, and the document that says so; nil means all SMs.
func (m *Matrix) readOnly(r *reader, block packageSchema) (sms []SM, source string) {
	for i, only := range block.SMs {
		if i > 0 {
			r.fail(only.DefRange, "remove one of them", "package %q has two sms blocks", block.Name)
		}
		for _, text := range r.list(only.Only) {
			sm := r.sm(text)
			if sm != (SM{}) && !slices.Contains(m.SMs(), sm) {
				r.fail(text.at, "", "kernels are compiled for no SM %s: there is no sm block of that name with cuda", sm)
			}
			sms = append(sms, sm)
		}
		source = r.text(only.Source).value
	}
	slices.SortFunc(sms, SM.Compare)
	return sms, source
}

func (r *reader) readOldest(blocks []oldestSchema) []floor {
	var floors []floor
	seen := map[string]hcl.Range{}
	for _, block := range blocks {
		if floorWords[block.What] == "" {
			r.fail(block.WhatRange, "", "oldest %q: want torch, cuda or python", block.What)
		}
		r.unique(seen, "oldest", block.What, block.WhatRange)
		floors = append(floors, floor{block.What, r.version(r.text(block.Version), 2, 2).value, r.text(block.Source).value})
	}
	return floors
}

// checkOldest reports a version of torch, cuda or python that is too old for a package.
func (r *reader) checkOldest(pkg Package, what string, version located[Version]) {
	for _, f := range pkg.oldest {
		if f.what != what || version.value.IsZero() || version.value.Minor().Compare(f.version) >= 0 {
			continue
		}
		r.illegal(version.at, pkg.floorRule(f), fmt.Sprintf("use %s %s or newer here", floorWords[what], f.version),
			fmt.Sprintf("%s does not go with %s %s", pkg.Distribution, floorWords[what], version.value))
	}
}

// objection is the rule that keeps an SM out of all wheels of the package, or nil.
func (p Package) objection(sm SM) *Rule {
	if len(p.SMs) == 0 || slices.Contains(p.SMs, sm) {
		return nil
	}
	rule := p.smsRule()
	return &rule
}

func (p Package) smsRule() Rule {
	return Rule{rulePackageSMs, p.Distribution, fmt.Sprintf("%s has code for SM %s alone", p.Distribution, Sentence(p.SMs)), p.smsSource}
}

func (p Package) floorRule(f floor) Rule {
	text := fmt.Sprintf("%s needs %s %s or newer", p.Distribution, floorWords[f.what], f.version)
	return Rule{"package-" + f.what, p.Distribution, text, f.source}
}

// rules are the package's own: what keeps SMs and versions out of its wheels.
func (p Package) rules() []Rule {
	var rules []Rule
	if len(p.SMs) > 0 {
		rules = append(rules, p.smsRule())
	}
	for _, f := range p.oldest {
		rules = append(rules, p.floorRule(f))
	}
	return rules
}
