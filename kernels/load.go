package kernels

import (
	"cmp"

	"github.com/sagebuild/sagebuild/matrix"
)

// Way is how a GPU gets code to run from an image. A greater way is a better one.
type Way int

const (
	None      Way = iota // the GPU does not load the image
	JIT                  // the driver compiles the image's PTX at the first load
	SameMajor            // machine code for an older SM of the same major
	Native               // machine code for exactly this SM
)

// Ways lists all, from best to worst.
var Ways = []Way{Native, SameMajor, JIT, None}

var wayNames = [...]string{None: "no", JIT: "JIT", SameMajor: "same major", Native: "native"}

// String is the way in a word or two: "same major".
func (w Way) String() string { return wayNames[w] }

// MarshalText writes the way as String.
func (w Way) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Image is a piece of device code that a driver can load: machine code or PTX for a target.
type Image struct {
	Arch Arch
	PTX  bool
}

// String is the image as reports name it: "9.0a", "PTX 12.1".
func (i Image) String() string {
	if i.PTX {
		return "PTX " + i.Arch.String()
	}
	return i.Arch.String()
}

// Loads says how a GPU of an SM loads the image. The rule is that of the CUDA programming guide
// (https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/compute-capabilities.html, "Feature Set Compiler
// Targets", and "Binary Compatibility"): machine code runs on SMs of the same major whose minor is not lower. PTX
// runs on its own SM and on every later SM. Code for an "a" target runs on the target's SM alone, and code for an "f"
// target on that SM and on later SMs of the same family alone. csrc/host/fatbin.c and python/build_backend/load.py
// have the same rule; testdata/loads.txt holds cases for all three.
func (i Image) Loads(sm matrix.SM) Way {
	own := i.Arch.SM
	switch {
	case own.Compare(sm) > 0,
		i.Arch.Suffix == "a" && own != sm,
		i.Arch.Suffix == "f" && family(own) != family(sm):
		return None
	case i.PTX:
		return JIT
	case own == sm:
		return Native
	case i.Arch.Suffix == "f" || own.Major == sm.Major:
		return SameMajor
	}
	return None
}

// family is the number of an SM's family, which is the SM's major; SM 10.1 is the former name of SM 11.0. Source: PTX
// ISA (https://docs.nvidia.com/cuda/parallel-thread-execution/), directive .target, table "Architecture Families".
func family(sm matrix.SM) int {
	if sm == (matrix.SM{Major: 10, Minor: 1}) {
		return 11
	}
	return sm.Major
}

// Load picks the image that a GPU of an SM loads among the images of one operation, as the driver does: the image
// with the best way, and among images with the same way the newest. The way is None if the GPU loads none of the
// images.
func Load(images []Image, sm matrix.SM) (best Image, how Way) {
	for _, image := range images {
		way := image.Loads(sm)
		if way == None {
			continue
		}
		if order := cmp.Or(cmp.Compare(way, how), image.Arch.Compare(best.Arch)); order > 0 {
			best, how = image, way
		}
	}
	return best, how
}
