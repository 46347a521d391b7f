package diag

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate that name most likely meant, or "" when none is near: at most a third of
// the letters of the longer word may differ. Of two equally near candidates the first of the sorted list wins.
func Suggest(name string, candidates []string) string {
	best, bestDistance := "", 0
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		distance := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		if distance*3 > max(len(name), len(candidate)) {
			continue
		}
		if best == "" || distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}
