// Package wheel reads Python wheels that hold CUDA code and says what is inside.
//
// A wheel is taken as untrusted bytes: its readers are bounded in memory and time, never panic, and extract nothing to disk.
// Open reports what a wheel says about itself (file name, WHEEL, METADATA, RECORD) and what its bytes show (shared objects,
// fatbins, cubins); Check compares that with what a plan expects.
//
//	directory.go, archive.go, stream.go     the zip container
//	wheel.go, member.go, spool.go           one pass over all members, and who reads each
//	filename.go, header.go, metadata.go     names and headers
//	record.go, agree.go                     RECORD, and what must agree within a wheel
//	platform.go                             platform tags
//	planned.go                              what the wheel of a cell must hold
//	check.go, host.go, checkdevice.go       a wheel held against that
//	difference.go, pieces.go                two wheels, byte by byte
//	libraries.go                            the shared objects of an installed torch, or of its wheel
//
// Below stand the packages of formats: object and device read what their names say, both through elffile; content bounds
// what they read, finding is what they report.
package wheel
