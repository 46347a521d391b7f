package audit

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/matrix"
)

// Way is how a GPU gets code to run, from best to worst.
type Way string

const (
	Native    Way = "native"     // a cubin for exactly this SM
	SameMajor Way = "same major" // a cubin for an older SM of the same major
	JIT       Way = "JIT"        // the driver compiles PTX when it first loads it
	None      Way = "no"
)

var ways = []Way{Native, SameMajor, JIT, None}

// Coverage is how GPUs load the device code of some files that are alike in this.
type Coverage struct {
	Members []string `json:"members"`
	Units   int      `json:"units"` // fatbins in each of them
	GPUs    []GPU    `json:"gpus"`
}

// GPU is an SM, the GPUs that have it, and how many units of a file it loads in which way.
type GPU struct {
	SM    matrix.SM   `json:"sm"`
	Names []string    `json:"names"`
	Ways  map[Way]int `json:"ways"`
	From  []string    `json:"from,omitempty"` // the images that it would load: "8.0", "PTX 9.0"
}

// Worst is the worst way among the units.
func (g GPU) Worst() Way {
	for _, way := range slices.Backward(ways) {
		if g.Ways[way] > 0 {
			return way
		}
	}
	return None
}

// wayOf says how a GPU runs an image. Rules: CUDA programming guide, compute capability and binary compatibility:
// a cubin runs on its major from its minor on, "a" code on exactly its SM, "f" code on its family; PTX is compiled
// for its own SM and any later one, within the same bounds for "a" and "f".
func wayOf(i image, sm matrix.SM) Way {
	sameMajor := i.arch.SM.Major == sm.Major && i.arch.SM.Minor <= sm.Minor
	exact := i.arch.SM == sm
	switch {
	case i.arch.Suffix == "a" && !exact, i.arch.Suffix == "f" && !sameMajor:
		return None
	case i.kind == wheel.KindPTX:
		if i.arch.SM.Compare(sm) <= 0 {
			return JIT
		}
	case exact:
		return Native
	case sameMajor:
		return SameMajor
	}
	return None
}

// choose picks as the driver does: the best way, among equal ones the newest image.
func (u unit) choose(sm matrix.SM) (Way, string) {
	best, at := len(ways)-1, image{}
	for _, i := range u.images {
		rank := slices.Index(ways, wayOf(i, sm))
		if rank < best || rank == best && rank < len(ways)-1 && i.arch.Compare(at.arch) > 0 {
			best, at = rank, i
		}
	}
	switch {
	case ways[best] == None:
		return None, ""
	case at.kind == wheel.KindPTX:
		return ways[best], "PTX " + at.arch.String()
	}
	return ways[best], at.arch.String()
}

// coverages lists how each SM of the matrix loads each file; files with the same answers share an entry.
func coverages(w *wheel.Wheel, m *matrix.Matrix) []Coverage {
	var list []Coverage
	byMember := map[string][]unit{}
	var members []string
	for _, u := range units(w) {
		if byMember[u.member] == nil {
			members = append(members, u.member)
		}
		byMember[u.member] = append(byMember[u.member], u)
	}
	for _, member := range members {
		c := Coverage{Members: []string{member}, Units: len(byMember[member])}
		for _, sm := range m.SMs() {
			c.GPUs = append(c.GPUs, gpuOf(sm, m.GPUs(sm), byMember[member]))
		}
		list = addCoverage(list, c)
	}
	return list
}

func gpuOf(sm matrix.SM, names []string, units []unit) GPU {
	gpu := GPU{SM: sm, Names: names, Ways: map[Way]int{}}
	for _, u := range units {
		way, from := u.choose(sm)
		gpu.Ways[way]++
		if from != "" && !slices.Contains(gpu.From, from) {
			gpu.From = append(gpu.From, from)
		}
	}
	slices.Sort(gpu.From)
	return gpu
}

func addCoverage(list []Coverage, c Coverage) []Coverage {
	for at := range list {
		if list[at].key() == c.key() {
			list[at].Members = append(list[at].Members, c.Members...)
			return list
		}
	}
	return append(list, c)
}

// key is the same for coverages that differ in their files alone.
func (c Coverage) key() string {
	var parts []string
	for _, gpu := range c.GPUs {
		parts = append(parts, gpu.text(c.Units))
	}
	return strings.Join(parts, "\n")
}
