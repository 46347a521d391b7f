package index

import (
	"fmt"
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
	cuda     matrix.Version     // of the kernels of a universal cell, which no build tag names
}

// kernelsCUDA is the CUDA release that the kernels are built with, zero where nothing says it.
func (c *Candidate) kernelsCUDA() matrix.Version {
	if c.Channel.IsUniversal() {
		return c.cuda
	}
	return c.Channel.CUDA
}

// compilers says which drivers compile the PTX: those of the CUDA that wrote it, and newer ones.
func (c *Candidate) compilers() string {
	if built := c.kernelsCUDA(); !built.IsZero() {
		return fmt.Sprintf(" (a driver for CUDA %s or newer)", built)
	}
	return ""
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
		all = append(all, Candidate{Entry: entry, Target: cell.Target(), Excluded: cell.Excluded, cuda: cell.CUDA.Minor()})
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

// Published lists the wheels of a site as candidates, with what the site knows of each, and for a wheel whose name is
// planned what the plan knows besides. place turns an entry into the file's path or URL.
func Published(m *Manifest, planned []Candidate, place func(Entry) string) []Candidate {
	all := make([]Candidate, len(m.Wheels))
	for at, entry := range m.Wheels {
		if known := position(planned, entry.Filename); known >= 0 {
			all[at] = planned[known]
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
