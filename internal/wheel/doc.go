// Package wheel reads Python wheels that hold CUDA code and says what is inside.
//
// A wheel is taken as untrusted bytes: the readers of this package are bounded in memory and time, never
// panic, and extract nothing to disk. Open reports what a wheel says about itself (file name, WHEEL,
// METADATA, RECORD) and what its bytes show (shared objects, fatbins, cubins); Verify compares that with
// what a plan expects.
//
// The layers, each in its own files:
//
//	directory.go, archive.go, stream.go   the zip container
//	member.go                             one unpacked file, and who reads it
//	filename.go, header.go, metadata.go   names and headers
//	record.go                             RECORD
//	object.go                             shared objects, whatever their format
//	elf.go, strings.go                    ELF files, as far as shared objects and cubins are alike
//	elfobject.go, versions.go             ELF's shared objects
//	pe.go, window.go                      Windows' PE files: headers, and tables by their address
//	peimport.go, peexport.go, pedebug.go  what they need, what they give, what the linker left
//	platform.go                           platform tags
//	fatbin.go, entry.go, unpack.go        CUDA's fat binary container
//	cubin.go, kernel.go                   images for one SM
//	agree.go, verify.go, host.go, device.go   what must agree, with itself and with a plan
//	limits.go                             every bound, in one place
package wheel
