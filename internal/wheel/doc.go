// Package wheel reads Python wheels that hold CUDA code and says what is inside.
//
// A wheel is taken as untrusted bytes: the readers of this package are bounded in memory and time, never
// panic, and extract nothing to disk. Open reports what a wheel says about itself (file name, WHEEL,
// METADATA, RECORD) and what its bytes show (shared objects, fatbins, cubins); Verify compares that with
// what a plan expects.
//
// The layers, each in its own files:
//
//	archive.go, directory.go, stream.go   the zip container
//	filename.go, header.go, metadata.go   names and headers
//	record.go                             RECORD
//	object.go, versions.go                ELF shared objects
//	fatbin.go, entry.go                   CUDA's fat binary container
//	cubin.go, kernel.go                   ELF images for one SM
//	agree.go, verify.go                   what must agree, and with what
package wheel
