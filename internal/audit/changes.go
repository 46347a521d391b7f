package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/kernels"
)

// Changes are what changed from one wheel to another.
type Changes struct {
	A       Side           `json:"a"`
	B       Side           `json:"b"`
	Code    []CodeChange   `json:"code"`
	Files   []FileChange   `json:"files"`
	Symbols []SymbolChange `json:"symbols"`
	Kernels []KernelChange `json:"kernels"`
}

// Side is one of the two wheels.
type Side struct {
	Path string `json:"path"`
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// CodeChange is the bytes of all entries of one kind and SM, on both sides.
type CodeChange struct {
	Kind device.Kind  `json:"kind"`
	Arch kernels.Arch `json:"arch"`
	A    int64        `json:"a"`
	B    int64        `json:"b"`
}

// FileChange is a file whose size differs; the size is -1 on a side without the file.
type FileChange struct {
	Name string `json:"name"`
	A    int64  `json:"a"`
	B    int64  `json:"b"`
}

// SymbolChange is an undefined symbol, an exported one or a needed library that only one side has.
type SymbolChange struct {
	Kind string `json:"kind"` // "undefined", "exported" or "needed"
	Name string `json:"name"`
	Side string `json:"side"` // "a" or "b"
}

// KernelChange is a kernel whose registers, shared memory or stack differ; a side without the kernel is nil.
type KernelChange struct {
	Arch kernels.Arch   `json:"arch"`
	Name string         `json:"name"`
	A    *device.Kernel `json:"a"`
	B    *device.Kernel `json:"b"`
}

// ChangesOf tells two audited wheels apart. Both reports must be of readable wheels: see Report.Readable.
func ChangesOf(a, b *Report) *Changes {
	return &Changes{
		A: Side{a.Path, a.Name, a.Size}, B: Side{b.Path, b.Name, b.Size},
		Code: compareCode(a.Code, b.Code), Files: compareFiles(a.wheel, b.wheel),
		Symbols: compareSymbols(a.wheel, b.wheel), Kernels: compareKernels(a.wheel, b.wheel),
	}
}

// Readable reports whether the bytes were a wheel at all.
func (r *Report) Readable() bool { return r.wheel != nil }

// compareCode lists every kind and SM, with the unchanged ones, because people look for the whole table.
func compareCode(a, b []Code) []CodeChange {
	changes := map[CodeChange]*CodeChange{}
	find := func(c Code) *CodeChange {
		key := CodeChange{Kind: c.Kind, Arch: c.Arch}
		if changes[key] == nil {
			change := key
			changes[key] = &change
		}
		return changes[key]
	}
	for _, c := range a {
		find(c).A += c.Stored
	}
	for _, c := range b {
		find(c).B += c.Stored
	}
	list := make([]CodeChange, 0, len(changes))
	for _, change := range changes {
		list = append(list, *change)
	}
	slices.SortFunc(list, func(x, y CodeChange) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), x.Arch.Compare(y.Arch))
	})
	return list
}

// union lists the keys of two maps, sorted.
func union[V any](a, b map[string]V) []string {
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	return slices.Sorted(maps.Keys(keys))
}

func compareFiles(a, b *wheel.Wheel) []FileChange {
	sizes := func(w *wheel.Wheel) map[string]int64 {
		all := map[string]int64{}
		for _, member := range w.Members {
			// The name of .dist-info has the version: with it, each file of the directory would count as new.
			name, inside := strings.CutPrefix(member.Name, w.DistInfo+"/")
			if inside {
				name = ".dist-info/" + name
			}
			all[name] = member.Size
		}
		return all
	}
	before, after := sizes(a), sizes(b)
	var changes []FileChange
	for _, name := range union(before, after) {
		change := FileChange{name, -1, -1}
		if size, ok := before[name]; ok {
			change.A = size
		}
		if size, ok := after[name]; ok {
			change.B = size
		}
		if change.A != change.B {
			changes = append(changes, change)
		}
	}
	return changes
}

func compareSymbols(a, b *wheel.Wheel) []SymbolChange {
	var changes []SymbolChange
	for _, kind := range []string{"needed", "undefined", "exported"} {
		before, after := symbolNames(a, kind), symbolNames(b, kind)
		for _, name := range union(before, after) {
			if before[name] != after[name] {
				side := "a"
				if after[name] {
					side = "b"
				}
				changes = append(changes, SymbolChange{kind, name, side})
			}
		}
	}
	return changes
}

// symbolNames are the names of one kind over all objects of a wheel.
func symbolNames(w *wheel.Wheel, kind string) map[string]bool {
	names := map[string]bool{}
	for _, object := range w.Objects {
		switch kind {
		case "needed":
			for _, name := range object.Libraries() {
				names[name] = true
			}
		case "undefined":
			for _, symbol := range object.Undefined {
				names[symbol.Name] = true
			}
		case "exported":
			for _, name := range object.Exported {
				names[name] = true
			}
		}
	}
	return names
}

// compareKernels matches kernels by SM and name. A kernel in several cubins of one SM counts once for each cubin.
func compareKernels(a, b *wheel.Wheel) []KernelChange {
	before, after := kernelsByName(a), kernelsByName(b)
	var changes []KernelChange
	for _, key := range union(before, after) {
		x, y := before[key], after[key]
		if x.A != nil && y.A != nil && *x.A == *y.A {
			continue
		}
		change := x
		if x.A == nil {
			change = y
		}
		change.A, change.B = x.A, y.A
		changes = append(changes, change)
	}
	slices.SortStableFunc(changes, func(x, y KernelChange) int {
		return cmp.Or(x.Arch.Compare(y.Arch), cmp.Compare(x.Name, y.Name))
	})
	return changes
}

func kernelsByName(w *wheel.Wheel) map[string]KernelChange {
	kernels := map[string]KernelChange{}
	count := map[string]int{}
	for _, device := range w.Devices() {
		if device.Cubin == nil {
			continue
		}
		for at := range device.Cubin.Kernels {
			kernel := &device.Cubin.Kernels[at]
			key := device.Arch.String() + " " + kernel.Name
			count[key]++
			kernels[fmt.Sprintf("%s %d", key, count[key])] = KernelChange{Arch: device.Arch, Name: kernel.Name, A: kernel}
		}
	}
	return kernels
}
