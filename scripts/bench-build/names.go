package main

import (
	"fmt"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// countStages folds neighbours: a, b, b becomes a, b (2 times).
func countStages(sorted []string) []string {
	var folded []string
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n] == sorted[0] {
			n++
		}
		name := sorted[0]
		if n > 1 {
			name = fmt.Sprintf("%s (%s)", name, ui.Count(n, "time"))
		}
		folded, sorted = append(folded, name), sorted[n:]
	}
	return folded
}

// torchOf is the part of a target's name that says which torch: pytorch28.
func torchOf(target string) string {
	for word := range strings.SplitSeq(target, "-") {
		if strings.HasPrefix(word, "pytorch") {
			return word
		}
	}
	return target
}
