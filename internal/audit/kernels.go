package audit

import (
	"cmp"
	"slices"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/kernels"
)

// KernelGroup sums up the kernels of one file for one SM.
type KernelGroup struct {
	Member       string          `json:"member"`
	Arch         kernels.Arch    `json:"arch"`
	Count        int             `json:"count"`
	MaxRegisters int             `json:"maxRegisters"` // of a thread
	MaxShared    int64           `json:"maxShared"`    // bytes of a block, static
	MaxStack     int64           `json:"maxStack"`     // bytes of a thread
	WithStack    int             `json:"withStack"`    // kernels that have local memory: arrays, calls or spills
	Kernels      []device.Kernel `json:"kernels,omitempty"`
}

// kernelGroups sums up loadable cubins, by file and SM; with all set the kernels themselves are kept.
func kernelGroups(w *wheel.Wheel, all bool) []KernelGroup {
	type key struct {
		member string
		arch   kernels.Arch
	}
	groups := map[key]*KernelGroup{}
	for _, device := range w.Devices() {
		if device.Cubin == nil {
			continue
		}
		k := key{device.Member, device.Arch}
		if groups[k] == nil {
			groups[k] = &KernelGroup{Member: device.Member, Arch: device.Arch}
		}
		for _, kernel := range device.Cubin.Kernels {
			groups[k].add(kernel, all)
		}
	}
	list := make([]KernelGroup, 0, len(groups))
	for _, group := range groups {
		slices.SortFunc(group.Kernels, func(a, b device.Kernel) int { return cmp.Compare(a.Name, b.Name) })
		list = append(list, *group)
	}
	slices.SortFunc(list, func(a, b KernelGroup) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), a.Arch.Compare(b.Arch))
	})
	return list
}

func (g *KernelGroup) add(kernel device.Kernel, keep bool) {
	g.Count++
	g.MaxRegisters = max(g.MaxRegisters, kernel.Registers)
	g.MaxShared = max(g.MaxShared, kernel.Shared)
	g.MaxStack = max(g.MaxStack, kernel.Stack)
	if kernel.Stack > 0 {
		g.WithStack++
	}
	if keep {
		g.Kernels = append(g.Kernels, kernel)
	}
}
