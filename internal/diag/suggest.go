package diag

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate that name most likely meant, or "" when no candidate is near. In a near candidate, at
// most a third of the letters of the longer word differ, or two letters, because a swap of neighbours counts as two.
// Never do more than half of the letters differ. Of two equally near candidates the first of the sorted list wins.
func Suggest(name string, candidates []string) string {
	best, bestDistance := "", 0
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		distance := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil)
		longer := max(len(name), len(candidate))
		if distance > max(2, longer/3) || distance*2 > longer {
			continue
		}
		if best == "" || distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}
