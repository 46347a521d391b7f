package audit

import (
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

// Coverage is how GPUs load the device code of some files. All these files load alike.
type Coverage struct {
	Members []string `json:"members"`
	Units   int      `json:"units"` // fatbins in each file
	GPUs    []GPU    `json:"gpus"`
}

// GPU is an SM, the GPUs with that SM, and how many units of a file they load in each way.
type GPU struct {
	SM    matrix.SM           `json:"sm"`
	Names []string            `json:"names"`
	Ways  map[kernels.Way]int `json:"ways"`
	From  []string            `json:"from,omitempty"` // the images that the GPU would load: "8.0", "PTX 9.0"
}

// Worst is the worst way among the units.
func (g GPU) Worst() kernels.Way {
	for _, way := range slices.Backward(kernels.Ways) {
		if g.Ways[way] > 0 {
			return way
		}
	}
	return kernels.None
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
		for _, sm := range m.Capabilities() {
			c.GPUs = append(c.GPUs, gpuOf(sm, m.GPUs(sm), byMember[member]))
		}
		list = addCoverage(list, c)
	}
	return list
}

func gpuOf(sm matrix.SM, names []string, units []unit) GPU {
	gpu := GPU{SM: sm, Names: names, Ways: map[kernels.Way]int{}}
	for _, u := range units {
		image, way := kernels.Load(u.images, sm)
		gpu.Ways[way]++
		if way != kernels.None && !slices.Contains(gpu.From, image.String()) {
			gpu.From = append(gpu.From, image.String())
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

// key is the same for two coverages if only their files differ.
func (c Coverage) key() string {
	var parts []string
	for _, gpu := range c.GPUs {
		parts = append(parts, gpu.text(c.Units))
	}
	return strings.Join(parts, "\n")
}
