package audit

import (
	"path"
	"slices"

	"github.com/sagebuild/sagebuild/internal/wheel"
)

// Object is what an audit says of one ELF file for the host.
type Object struct {
	Member   string   `json:"member"`
	Size     int64    `json:"size"`
	Machine  string   `json:"machine"`
	SOName   string   `json:"soname,omitempty"`
	Floor    Floor    `json:"floor"`
	Needed   []string `json:"needed"`
	External []string `json:"external"` // needed libraries that neither the wheel nor every Linux has
	RPath    []string `json:"rpath,omitempty"`
	Stripped bool     `json:"stripped"`
}

// systemLibraries are on every system that installs manylinux wheels. Source: auditwheel's manylinux-policy.json.
var systemLibraries = []string{
	"libatomic.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libmvec.so.1", "libanl.so.1", "libdl.so.2",
	"librt.so.1", "libc.so.6", "libnsl.so.1", "libutil.so.1", "libpthread.so.0", "libX11.so.6", "libXext.so.6",
	"libXrender.so.1", "libICE.so.6", "libSM.so.6", "libGL.so.1", "libgobject-2.0.so.0", "libgthread-2.0.so.0",
	"libglib-2.0.so.0", "libresolv.so.2", "libexpat.so.1", "libz.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
}

func objectsOf(w *wheel.Wheel) []Object {
	own := map[string]bool{}
	for _, object := range w.Objects {
		own[path.Base(object.Member)] = true
		own[object.SOName] = true
	}
	list := make([]Object, 0, len(w.Objects))
	for _, object := range w.Objects {
		o := Object{
			Member: object.Member, Size: object.Size, Machine: object.Machine, SOName: object.SOName,
			Needed: object.Needed, RPath: object.RPath, Stripped: object.Stripped,
			Floor: Floor{Glibc: object.GlibcFloor, Libstdcxx: object.LibstdcxxFloor, CXXABI: object.CXXABIFloor},
		}
		for _, library := range object.Needed {
			if !own[library] && !slices.Contains(systemLibraries, library) {
				o.External = append(o.External, library)
			}
		}
		o.Floor.setManylinux()
		list = append(list, o)
	}
	return list
}

// floorOf is the floor of all objects together; empty without objects.
func floorOf(objects []Object) Floor {
	var all Floor
	for _, object := range objects {
		all.Glibc = newest(all.Glibc, object.Floor.Glibc)
		all.Libstdcxx = newest(all.Libstdcxx, object.Floor.Libstdcxx)
		all.CXXABI = newest(all.CXXABI, object.Floor.CXXABI)
	}
	if len(objects) > 0 {
		all.setManylinux()
	}
	return all
}
