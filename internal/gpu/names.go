package gpu

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sagebuild/sagebuild/matrix"
)

// names.txt says where its lines come from; `make gpu-names` writes it.
//
//go:embed names.txt
var table string

// product is a GPU by a name that the driver prints.
type product struct {
	name  string
	words []string
	sm    matrix.SM
}

// products reads the table once. Names that differ in case or signs alone are one product for each SM.
var products = sync.OnceValue(func() []product {
	var list []product
	for line := range strings.Lines(table) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, chip, _ := strings.Cut(line, "\t")
		sm, ok := chips[chip]
		if !ok {
			panic(fmt.Sprintf("internal error: names.txt has the unknown chip %q; run make gpu-names", chip))
		}
		list = append(list, product{name, words(name), sm})
	}
	for name, sm := range tegras {
		list = append(list, product{name, words(name), sm})
	}
	slices.SortFunc(list, func(a, b product) int { return strings.Compare(a.name, b.name) })
	return list
})

var (
	wordPattern = regexp.MustCompile(`[a-z]+[0-9]+[a-z]*|[0-9]+[a-z]*|[a-z]+`)
	// joined are prefixes and suffixes that people write without a blank: RTX4090, 4070Ti.
	prefixes = strings.NewReplacer("rtx", " rtx ", "gtx", " gtx ", "geforce", " geforce ")
	suffixes = regexp.MustCompile(`([0-9]{3,4})(ti|super)\b`)
)

// words are what tells names apart: "NVIDIA GeForce RTX4070Ti" is geforce, rtx, 4070, ti. NVIDIA's own name and the word
// GPU stand in some lists and not in others.
func words(name string) []string {
	text := suffixes.ReplaceAllString(prefixes.Replace(strings.ToLower(name)), "$1 $2")
	return slices.DeleteFunc(wordPattern.FindAllString(text, -1), func(word string) bool { return word == "nvidia" || word == "gpu" })
}

// brands are words that people leave away. Quadro is none: a Quadro RTX 6000 is not what people call RTX 6000 today.
var brands = []string{"geforce", "tesla", "graphics", "generation"}

// plain is the words without brands.
func plain(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(word string) bool { return slices.Contains(brands, word) })
}

// contains reports whether all words of part stand in whole, in their order.
func contains(whole, part []string) bool {
	for _, word := range whole {
		if len(part) > 0 && word == part[0] {
			part = part[1:]
		}
	}
	return len(part) == 0
}
