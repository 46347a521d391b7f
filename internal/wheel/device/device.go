// Package device reads device code: CUDA's fat binary container, its entries, and cubins with their kernels.
//
//	fatbin.go, entry.go, concatenated.go, unpack.go  the container, its entries and their compression
//	cubin.go, kernel.go                              machine code for one SM, and what its kernels take
//	fatbinpiece.go                                   the parts of a container by name, for comparisons
package device

import "github.com/sagebuild/sagebuild/kernels"

// Device is one piece of device code of a wheel, wherever it lies.
type Device struct {
	Member string
	Kind   Kind
	Arch   kernels.Arch
	Size   int64
	Cubin  *Cubin
}
