// Package gpu finds the SM of a GPU by the name that nvidia-smi prints, or that people write.
//
//	names.txt, names.go  the names, and how they are read
//	chips.go             the SM of each chip
//	find.go, family.go   from what a user says to one SM
package gpu

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// GPU is a graphics processor as a user names it.
type GPU struct {
	Name   string    `json:"name"`             // what the user said
	Family string    `json:"family,omitempty"` // the product, or the series of the definition, that was found
	SM     matrix.SM `json:"sm"`
}

// Find finds the SM of a GPU by its name, or takes an SM for a name. Products go before series: "NVIDIA RTX 4000 Ada
// Generation" is a product, "RTX 40" a series of the definition m. An unknown name, and one that products of several SMs
// share, are errors of class diag.Usage with the names that may be meant.
func Find(m *matrix.Matrix, name string) (GPU, error) {
	if arch, err := kernels.ParseArch(strings.TrimSpace(name)); err == nil {
		return GPU{Name: name, SM: arch.SM}, nil
	}
	said := words(name)
	if len(said) == 0 || isForeign(said) {
		return GPU{}, unknown(m, name)
	}
	for _, fits := range []func(product) bool{
		func(p product) bool { return slices.Equal(said, p.words) },
		func(p product) bool { return slices.Equal(plain(said), plain(p.words)) },
	} {
		if found := matching(fits); len(found) > 0 {
			return only(name, found)
		}
	}
	if found := longest(said); len(found) > 0 {
		return only(name, found)
	}
	if family, sm, ok := findFamily(m, said); ok {
		return GPU{Name: name, Family: family, SM: sm}, nil
	}
	if found := matching(func(p product) bool { return contains(p.words, plain(said)) && hasModel(said) }); len(found) > 0 {
		return only(name, found)
	}
	return GPU{}, unknown(m, name)
}

func matching(fits func(product) bool) []product {
	return slices.DeleteFunc(slices.Clone(products()), func(p product) bool { return !fits(p) })
}

// longest finds the products with the most words that all stand in what was said: nvidia-smi adds a memory or a MIG slice.
func longest(said []string) []product {
	var best []product
	for _, p := range products() {
		if !hasModel(p.words) || !contains(said, p.words) {
			continue
		}
		if len(best) > 0 && len(p.words) > len(best[0].words) {
			best = nil
		}
		if len(best) == 0 || len(p.words) == len(best[0].words) {
			best = append(best, p)
		}
	}
	return best
}

// hasModel reports whether a word has a number that is no size of memory.
func hasModel(list []string) bool {
	return slices.ContainsFunc(list, func(word string) bool {
		return strings.ContainsAny(word, "0123456789") && !strings.HasSuffix(word, "gb")
	})
}

// isForeign knows other makers, whose models have numbers like NVIDIA's.
func isForeign(said []string) bool {
	return slices.ContainsFunc(said, func(word string) bool {
		return slices.Contains([]string{"amd", "radeon", "instinct", "intel", "arc", "apple"}, word)
	})
}

// only wants products of one SM.
func only(name string, found []product) (GPU, error) {
	for _, p := range found[1:] {
		if p.sm != found[0].sm {
			return GPU{}, ambiguous(name, found)
		}
	}
	return GPU{Name: name, Family: found[0].name, SM: found[0].sm}, nil
}

const query = "nvidia-smi --query-gpu=compute_cap --format=csv,noheader"

// ambiguous names a product of each SM.
func ambiguous(name string, found []product) error {
	var list []string
	seen := map[matrix.SM]bool{}
	for _, p := range found {
		if !seen[p.sm] {
			seen[p.sm] = true
			list = append(list, fmt.Sprintf("%s (%s)", p.name, p.sm))
		}
	}
	slices.Sort(list)
	last := len(list) - 1
	return diag.Usagef(query, "GPU %q may be %s or %s: say which, or its compute capability", name, strings.Join(list[:last], ", "), list[last])
}

// unknown names the nearest products and series. Brands do not count: most names have the same.
func unknown(m *matrix.Matrix, name string) error {
	const most = 3
	names := map[string]string{}
	for _, p := range products() {
		names[strings.Join(plain(p.words), " ")] = strings.TrimPrefix(p.name, "NVIDIA ")
	}
	for _, family := range families(m) {
		names[strings.Join(words(family), " ")] = family
	}
	message := fmt.Sprintf("unknown GPU %q", name)
	if near := diag.Nearest(strings.Join(plain(words(name)), " "), slices.Collect(maps.Keys(names)), most); len(near) > 0 {
		for at := range near {
			near[at] = names[near[at]]
		}
		message += fmt.Sprintf(", did you mean %s?", quoted(near))
	}
	return diag.Usagef(query, "%s; a compute capability such as 8.9 is taken as well", message)
}

// quoted is "A", "B" or "C".
func quoted(names []string) string {
	list := make([]string, len(names))
	for at, name := range names {
		list[at] = strconv.Quote(name)
	}
	if last := len(list) - 1; last > 0 {
		return strings.Join(list[:last], ", ") + " or " + list[last]
	}
	return list[0]
}
