package audit

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// Object is what an audit says of one shared object.
type Object struct {
	object.Linkage
	Floor    Floor    `json:"floor"`            // of ELF
	External []string `json:"external"`         // libraries that neither the wheel nor every system has
	Linked   string   `json:"linked,omitempty"` // of DLLs: the time of linking that the DLL states
}

// systemLibraries are libraries of every system that installs manylinux wheels. Source: auditwheel's
// manylinux-policy.json.
var systemLibraries = []string{
	"libatomic.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1", "libdl.so.2",
	"librt.so.1", "libc.so.6", "libnsl.so.1", "libutil.so.1", "libpthread.so.0", "libX11.so.6", "libXext.so.6",
	"libXrender.so.1", "libICE.so.6", "libSM.so.6", "libGL.so.1", "libgobject-2.0.so.0", "libgthread-2.0.so.0",
	"libglib-2.0.so.0", "libresolv.so.2", "libexpat.so.1", "libz.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}

// owned is what a wheel gives to its own objects.
type owned struct {
	symbols   map[string]bool // that ELF objects define
	libraries map[string]bool // file names (of DLLs in lower case) and the SONAMEs of ELF objects
}

func ownedBy(w *wheel.Wheel) owned {
	own := owned{map[string]bool{}, map[string]bool{}}
	for _, o := range w.Objects {
		if o.Format == object.FormatPE {
			own.libraries[strings.ToLower(path.Base(o.Member))] = true
			continue
		}
		own.libraries[path.Base(o.Member)], own.libraries[o.SOName] = true, true
		for _, name := range o.Exported {
			own.symbols[name] = true
		}
	}
	return own
}

// external reports whether a library is neither in the wheel nor on every system.
func (o owned) external(format object.Format, library string) bool {
	if format == object.FormatPE {
		return externalDLL(library, o.libraries)
	}
	return !o.libraries[library] && !slices.Contains(systemLibraries, library)
}

func objectsOf(w *wheel.Wheel, own owned) []Object {
	list := make([]Object, 0, len(w.Objects))
	for _, one := range w.Objects {
		o := Object{Linkage: one.Linkage}
		for _, library := range o.Libraries() {
			if own.external(o.Format, library) {
				o.External = append(o.External, library)
			}
		}
		if at := one.LinkedAt(); !at.IsZero() {
			o.Linked = at.Format(time.RFC3339)
		}
		if o.Format == object.FormatELF {
			o.Floor = Floor{Glibc: one.GlibcFloor, Libstdcxx: one.LibstdcxxFloor, CXXABI: one.CXXABIFloor, Libgcc: one.LibgccFloor}
			o.Floor.setManylinux(o.Machine)
		}
		list = append(list, o)
	}
	return list
}

// floorOf is the floor of all ELF objects together. Without an ELF object the floor is empty.
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

func isELF(o Object) bool { return o.Format == object.FormatELF }
