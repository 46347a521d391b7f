package audit

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel"
)

// Object is what an audit says of one shared object.
type Object struct {
	Member   string       `json:"member"`
	Format   wheel.Format `json:"format"`
	Size     int64        `json:"size"`
	Machine  string       `json:"machine"`
	SOName   string       `json:"soname,omitempty"`
	Floor    Floor        `json:"floor"` // of ELF
	Needed   []string     `json:"needed"`
	Delayed  []string     `json:"delayed,omitempty"` // DLLs that are loaded at the first call
	External []string     `json:"external"`          // libraries that neither the wheel nor every system has
	RPath    []string     `json:"rpath,omitempty"`
	Linked   string       `json:"linked,omitempty"` // of DLLs: when, by what they say
	PDB      string       `json:"pdb,omitempty"`    // of DLLs: where the linker wrote the debug information
	Stripped bool         `json:"stripped"`

	buildPath bool
}

// systemLibraries are on every system that installs manylinux wheels. Source: auditwheel's manylinux-policy.json.
var systemLibraries = []string{
	"libatomic.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1", "libdl.so.2",
	"librt.so.1", "libc.so.6", "libnsl.so.1", "libutil.so.1", "libpthread.so.0", "libX11.so.6", "libXext.so.6",
	"libXrender.so.1", "libICE.so.6", "libSM.so.6", "libGL.so.1", "libgobject-2.0.so.0", "libgthread-2.0.so.0",
	"libglib-2.0.so.0", "libresolv.so.2", "libexpat.so.1", "libz.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}

// owned is what a wheel gives to its own objects.
type owned struct {
	symbols   map[string]bool // that ELF objects define
	libraries map[string]bool // file names, and of ELF also the SONAMEs; of DLLs in lower case
}

func ownedBy(w *wheel.Wheel) owned {
	own := owned{map[string]bool{}, map[string]bool{}}
	for _, object := range w.Objects {
		if object.Format == wheel.FormatPE {
			own.libraries[strings.ToLower(path.Base(object.Member))] = true
			continue
		}
		own.libraries[path.Base(object.Member)], own.libraries[object.SOName] = true, true
		for _, name := range object.Exported {
			own.symbols[name] = true
		}
	}
	return own
}

// external reports whether a library is neither in the wheel nor on every system.
func (o owned) external(format wheel.Format, library string) bool {
	if format == wheel.FormatPE {
		return externalDLL(library, o.libraries)
	}
	return !o.libraries[library] && !slices.Contains(systemLibraries, library)
}

func objectsOf(w *wheel.Wheel) []Object {
	own := ownedBy(w)
	list := make([]Object, 0, len(w.Objects))
	for _, object := range w.Objects {
		o := Object{
			Member: object.Member, Format: object.Format, Size: object.Size, Machine: object.Machine, SOName: object.SOName,
			Needed: object.Needed, Delayed: object.Delayed, RPath: object.RPath, Stripped: object.Stripped, PDB: object.PDB,
			buildPath: object.HasBuildPath(),
		}
		for _, library := range slices.Concat(object.Needed, object.Delayed) {
			if own.external(object.Format, library) {
				o.External = append(o.External, library)
			}
		}
		if at := object.LinkedAt(); !at.IsZero() {
			o.Linked = at.Format(time.RFC3339)
		}
		if object.Format == wheel.FormatELF {
			o.Floor = Floor{Glibc: object.GlibcFloor, Libstdcxx: object.LibstdcxxFloor, CXXABI: object.CXXABIFloor, Libgcc: object.LibgccFloor}
			o.Floor.setManylinux(object.Machine)
		}
		list = append(list, o)
	}
	return list
}

// floorOf is the floor of all ELF objects together; empty without any.
func floorOf(objects []Object) Floor {
	var all Floor
	for _, object := range objects {
		all.Glibc = newest(all.Glibc, object.Floor.Glibc)
		all.Libstdcxx = newest(all.Libstdcxx, object.Floor.Libstdcxx)
		all.CXXABI = newest(all.CXXABI, object.Floor.CXXABI)
		all.Libgcc = newest(all.Libgcc, object.Floor.Libgcc)
	}
	if at := slices.IndexFunc(objects, isELF); at >= 0 {
		all.setManylinux(objects[at].Machine)
	}
	return all
}

func isELF(o Object) bool { return o.Format == wheel.FormatELF }
