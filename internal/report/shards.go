package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// shardEntries cuts the cells, sorted by CUDA, into at most count runs whose lengths differ by one at most.
func shardEntries(cells []matrix.Cell, count int) []IncludeEntry {
	sorted := slices.Clone(cells)
	slices.SortStableFunc(sorted, func(a, b matrix.Cell) int { return a.CUDA.Compare(b.CUDA) })
	count = min(count, len(sorted))
	entries := []IncludeEntry{}
	for i := range count {
		part := sorted[i*len(sorted)/count : (i+1)*len(sorted)/count]
		entries = append(entries, shardEntry(part, i+1, count))
	}
	return entries
}

func shardEntry(cells []matrix.Cell, number, count int) IncludeEntry {
	var targets, wheels []string
	for _, cell := range cells {
		targets = append(targets, cell.Target())
		wheels = append(wheels, cell.WheelName())
	}
	return IncludeEntry{
		Name:    fmt.Sprintf("shard %d of %d", number, count),
		Targets: strings.Join(targets, " "), Wheels: strings.Join(wheels, " "), Shard: number,
	}
}
