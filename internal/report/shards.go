package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// cut divides items into at most count runs whose lengths differ by one at most.
func cut[T any](items []T, count int) [][]T {
	count = min(count, len(items))
	runs := make([][]T, count)
	for i := range count {
		runs[i] = items[i*len(items)/count : (i+1)*len(items)/count]
	}
	return runs
}

func shardName(index, count int) string { return fmt.Sprintf("shard %d of %d", index+1, count) }

// shardEntries cuts the cells, sorted by CUDA.
func shardEntries(cells []matrix.Cell, count int) []WheelEntry {
	sorted := slices.Clone(cells)
	slices.SortStableFunc(sorted, func(a, b matrix.Cell) int { return a.CUDA.Compare(b.CUDA) })
	entries := []WheelEntry{}
	shards := cut(sorted, count)
	for i, shard := range shards {
		entry := newWheelEntry(shardName(i, len(shards)), shard)
		entry.Shard = i + 1
		entries = append(entries, entry)
	}
	return entries
}

func newWheelEntry(name string, cells []matrix.Cell) WheelEntry {
	var targets, tests, wheels []string
	for _, cell := range cells {
		targets = append(targets, cell.Target())
		tests = append(tests, cell.TestTargets()...)
		wheels = append(wheels, cell.WheelName())
	}
	return WheelEntry{Name: name, Targets: strings.Join(targets, " "), Tests: strings.Join(tests, " "), Wheels: strings.Join(wheels, " ")}
}
