package audit

import (
	"cmp"
	"path"
	"slices"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/kernels"
)

// Code sums up the device code of one file with the same section, kind, SM, version and compression.
type Code struct {
	Member      string       `json:"member"`
	Section     string       `json:"section,omitempty"` // empty for a fatbin or cubin file
	Kind        device.Kind  `json:"kind"`
	Arch        kernels.Arch `json:"arch"`
	Version     string       `json:"version,omitempty"`     // of the code: PTX ISA 8.8
	Compression string       `json:"compression,omitempty"` // "lz4" or "zstd"
	Entries     int          `json:"entries"`
	Stored      int64        `json:"stored"` // bytes in the file
	Bytes       int64        `json:"bytes"`  // unpacked
	Loadable    bool         `json:"loadable"`
}

// place is what a program loads the code from: a file, or for a cubin file its directory, of which the program picks one.
func (c Code) place() string {
	if path.Ext(c.Member) == ".cubin" {
		return path.Dir(c.Member) + "/"
	}
	return c.Member
}

func codeOf(w *wheel.Wheel) []Code {
	sums := map[Code]Code{}
	add := func(c Code, stored, bytes int64) {
		sum, ok := sums[c]
		if !ok {
			sum = c
		}
		sum.Entries++
		sum.Stored += stored
		sum.Bytes += bytes
		sums[c] = sum
	}
	for _, fatbin := range w.Fatbins {
		for _, entry := range fatbin.Entries {
			add(Code{
				Member: fatbin.Member, Section: fatbin.Section, Kind: entry.Kind, Arch: entry.Arch,
				Version: entry.Version, Compression: entry.Compression, Loadable: !fatbin.Relocatable(),
			}, entry.Stored, entry.Size)
		}
	}
	for _, cubin := range w.Cubins {
		add(Code{Member: cubin.Member, Kind: device.KindCubin, Arch: cubin.Arch, Loadable: true}, cubin.Size, cubin.Size)
	}
	return sortedCode(sums)
}

func sortedCode(sums map[Code]Code) []Code {
	list := make([]Code, 0, len(sums))
	for _, sum := range sums {
		list = append(list, sum)
	}
	slices.SortFunc(list, func(a, b Code) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Section, b.Section), cmp.Compare(a.Kind, b.Kind),
			a.Arch.Compare(b.Arch), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Compression, b.Compression))
	})
	return list
}

// unit is a fatbin, or the cubin files of one directory. The driver loads one image of a unit.
type unit struct {
	member string
	images []kernels.Image
}

// units lists what a driver may be asked to load. It leaves out relocatable code and the intermediate code of other
// compilers, because a driver loads neither as it is.
func units(w *wheel.Wheel) []unit {
	var list []unit
	for _, fatbin := range w.Fatbins {
		u := unit{member: fatbin.Member}
		for _, entry := range fatbin.Entries {
			if entry.Kind == device.KindCubin || entry.Kind == device.KindPTX {
				u.images = append(u.images, kernels.Image{Arch: entry.Arch, PTX: entry.Kind == device.KindPTX})
			}
		}
		if len(u.images) > 0 && !fatbin.Relocatable() {
			list = append(list, u)
		}
	}
	return append(list, cubinUnits(w.Cubins)...)
}

// cubinUnits makes one unit of the cubin files of a directory, because a program picks one of its cubins by SM.
func cubinUnits(cubins []device.Cubin) []unit {
	var list []unit
	for _, cubin := range cubins {
		directory := path.Dir(cubin.Member) + "/"
		at := slices.IndexFunc(list, func(u unit) bool { return u.member == directory })
		if at < 0 {
			at = len(list)
			list = append(list, unit{member: directory})
		}
		list[at].images = append(list[at].images, kernels.Image{Arch: cubin.Arch})
	}
	return list
}
