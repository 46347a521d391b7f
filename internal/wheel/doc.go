// Package wheel reads Python wheels that hold CUDA code and says what is inside.
//
// A wheel is untrusted bytes: the readers of a wheel are bounded in memory and time, never panic, and extract nothing
// to disk. Open reports what a wheel says about itself (file name, WHEEL, METADATA, RECORD) and what its bytes show
// (shared objects, fatbins, cubins); Check compares this report with what a plan expects.
//
//	directory.go, archive.go, stream.go     the zip container
//	wheel.go, member.go, spool.go           one pass over all members, and the reader of each member
//	filename.go, header.go, metadata.go     names and headers
//	record.go, agree.go                     RECORD, and what must agree within a wheel
//	compiled.go                             what the build compiled, by its own record
//	platform.go                             platform tags
//	planned.go                              what the wheel of a cell must hold
//	check.go, host.go, checkdevice.go       a wheel held against its plan
//	difference.go, pieces.go                two wheels, byte by byte
//	libraries.go                            the shared objects of an installed torch, or of its wheel
//
// The packages of formats stand below: object reads shared objects and device reads device code, both through
// elffile; content bounds what they read, and finding is what they report.
package wheel
