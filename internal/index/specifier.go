package index

import (
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"
)

// satisfies evaluates a version specifier such as ">=3.9,<3.13" or "==2.8.*" as pip does for what is installed: releases
// before the final one count. A clause that PEP 440 does not know is not satisfied.
func satisfies(version pep440.Version, specifier string) bool {
	for clause := range strings.SplitSeq(specifier, ",") {
		if clause = strings.TrimSpace(clause); clause != "" && !satisfiesClause(version, clause) {
			return false
		}
	}
	return true
}

func satisfiesClause(version pep440.Version, clause string) bool {
	for _, operator := range []string{">=", "<=", "==", "!=", "~=", ">", "<"} {
		text, ok := strings.CutPrefix(clause, operator)
		if !ok {
			continue
		}
		text, prefix := strings.CutSuffix(strings.TrimSpace(text), ".*")
		bound, err := pep440.Parse(text)
		switch {
		case err != nil || prefix && operator != "==" && operator != "!=":
			return false
		case prefix:
			return hasPrefix(version, bound) == (operator == "==")
		case operator == "~=":
			return isCompatible(version, bound)
		}
		return holds(operator, version, bound)
	}
	return false
}

// hasPrefix compares the numbers that bound has: 2.8.0.dev1 and 2.8.3 begin as 2.8 does, 2.80 does not.
func hasPrefix(version, bound pep440.Version) bool {
	return strings.HasPrefix(version.BaseVersion()+".0.0.0.", bound.BaseVersion()+".")
}

// isCompatible is "~=2.8.1": 2.8.1 or newer, and 2.8.*.
func isCompatible(version, bound pep440.Version) bool {
	last := strings.LastIndexByte(bound.BaseVersion(), '.')
	if last < 0 {
		return false
	}
	series, err := pep440.Parse(bound.BaseVersion()[:last])
	return err == nil && holds(">=", version, bound) && hasPrefix(version, series)
}

// holds compares without the label of a local build, unless bound has one. Releases before 2.8 are none that "<2.8"
// allows and 2.8.post1 is none that ">2.8" allows (PEP 440, "Exclusive ordered comparison").
func holds(operator string, version, bound pep440.Version) bool {
	if bound.Local() == "" {
		version = pep440.MustParse(version.Public())
	}
	order := version.Compare(bound)
	same := pep440.MustParse(version.BaseVersion()).Equal(pep440.MustParse(bound.BaseVersion()))
	switch operator {
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case "==":
		return order == 0
	case "!=":
		return order != 0
	case ">":
		return order > 0 && !(same && version.IsPostRelease() && !bound.IsPostRelease())
	}
	return order < 0 && !(same && version.IsPreRelease() && !bound.IsPreRelease())
}

// requirementOf finds the specifier of a dependency: "==2.8.*" for torch in "torch == 2.8.*". It does not find a
// dependency with extras or markers, because sagebuild writes neither.
func requirementOf(project string, requirements []string) (specifier string, ok bool) {
	for _, requirement := range requirements {
		at := strings.IndexAny(requirement, "<>=!~ ([;")
		if at < 0 {
			at = len(requirement)
		}
		rest := strings.Trim(strings.TrimSpace(requirement[at:]), "()")
		if strings.EqualFold(requirement[:at], project) && !strings.ContainsAny(rest, "[;") {
			return rest, true
		}
	}
	return "", false
}
