package diag

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate that name most likely meant, or "" when no candidate is near.
func Suggest(name string, candidates []string) string {
	if near := Nearest(name, candidates, 1); len(near) > 0 {
		return near[0]
	}
	return ""
}

// Nearest returns at most so many candidates that name may have meant, the nearest first. In a near candidate, at most a
// third of the letters of the longer word differ, or two letters, because a swap of neighbours counts as two. Never do
// more than half of the letters differ. Equally near candidates come in the order of the alphabet.
func Nearest(name string, candidates []string, most int) []string {
	type near struct {
		candidate string
		distance  int
	}
	var list []near
	for _, candidate := range candidates {
		distance := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		if longer := max(len(name), len(candidate)); distance <= max(2, longer/3) && distance*2 <= longer {
			list = append(list, near{candidate, distance})
		}
	}
	slices.SortFunc(list, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.candidate, b.candidate))
	})
	var names []string
	for _, one := range list[:min(most, len(list))] {
		names = append(names, one.candidate)
	}
	return names
}
