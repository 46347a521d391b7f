package index

import (
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// satisfies evaluates a version specifier such as ">=3.9,<3.13" or "==2.8.*". An unknown clause, or a version that is
// not dotted numbers, counts as not satisfied.
func satisfies(version matrix.Version, specifier string) bool {
	for clause := range strings.SplitSeq(specifier, ",") {
		if clause = strings.TrimSpace(clause); clause != "" && !satisfiesClause(version, clause) {
			return false
		}
	}
	return true
}

func satisfiesClause(version matrix.Version, clause string) bool {
	for _, operator := range []string{">=", "<=", "==", "!=", ">", "<"} {
		text, ok := strings.CutPrefix(clause, operator)
		if !ok {
			continue
		}
		text, prefix := strings.CutSuffix(strings.TrimSpace(text), ".*")
		bound, err := matrix.ParseVersion(text)
		if err != nil || prefix && operator != "==" && operator != "!=" {
			return false
		}
		order := compareNumbers(version, bound)
		if prefix && strings.HasPrefix(version.String()+".", bound.String()+".") {
			order = 0
		}
		return holds(operator, order)
	}
	return false
}

func holds(operator string, order int) bool {
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
		return order > 0
	}
	return order < 0
}

// compareNumbers compares versions as PEP 440 does: 2.8 and 2.8.0 are the same.
func compareNumbers(a, b matrix.Version) int { return padded(a).Compare(padded(b)) }

// padded is the version with all four numbers.
func padded(v matrix.Version) matrix.Version {
	if v.IsZero() {
		return v
	}
	return matrix.MustVersion(v.String() + strings.Repeat(".0", 4-v.Parts()))
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
