package index

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Candidate is a wheel that might be what a user needs: built, published or only planned.
type Candidate struct {
	Entry
	Target   string             // of the matrix, "" for a wheel from elsewhere
	File     string             // path or URL of the wheel, "" if there is none
	Excluded []matrix.Exclusion // SMs that the matrix leaves out
}

// Planned lists the cells of the matrix as candidates.
func Planned(m *matrix.Matrix, set *kernels.Set) ([]Candidate, error) {
	var all []Candidate
	for _, cell := range m.Cells() {
		want := wheel.Expect(cell, set)
		names, err := wheel.ParseFilename(want.Filename)
		if err != nil {
			return nil, err
		}
		entry := Entry{
			Filename: want.Filename, names: names, Project: wheel.NormalizeName(want.Distribution), Version: want.Version,
			Channel: channelOf(cell), RequiresPython: want.RequiresPython, RequiresDist: want.RequiresDist,
			SMs: slices.SortedFunc(maps.Keys(want.Kernels), kernels.Arch.Compare), PTX: want.PTX,
		}
		all = append(all, Candidate{Entry: entry, Target: cell.Target(), Excluded: cell.Excluded})
	}
	return all, nil
}

// channelOf is the channel that the cell's build tag names.
func channelOf(cell matrix.Cell) Channel {
	if cell.Universal {
		return Channel{}
	}
	return Channel{cell.Torch, cell.CUDA.Minor()}
}

// AddFiles marks the candidates whose wheels lie in a directory. It inspects and adds the wheels that are no
// candidates yet; skipped says which of the new wheels cannot be read, and why.
func AddFiles(all []Candidate, dir string) (candidates []Candidate, skipped []error, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	for _, file := range files {
		if at := position(all, filepath.Base(file)); at >= 0 {
			all[at].File = file
			continue
		}
		entry, err := Inspect(file)
		if err != nil {
			skipped = append(skipped, err)
			continue
		}
		all = append(all, Candidate{Entry: entry, File: file})
	}
	return all, skipped, err
}

// AddPublished adds the published wheels of a site as candidates, with what the site knows of each wheel. place turns
// an entry into the file's path or URL.
func AddPublished(all []Candidate, m *Manifest, place func(Entry) string) []Candidate {
	for _, entry := range m.Wheels {
		at := position(all, entry.Filename)
		if at < 0 {
			at = len(all)
			all = append(all, Candidate{})
		}
		all[at].Entry, all[at].File = entry, place(entry)
	}
	return all
}

func position(all []Candidate, filename string) int {
	for i, candidate := range all {
		if candidate.Filename == filename {
			return i
		}
	}
	return -1
}
