// Package audit says what a wheel with CUDA code holds and on which machines it works: device code by SM, the GPUs
// that can load it, kernels, the host libraries it needs, and what is wrong with it. It works on any wheel, from the
// bytes alone: package wheel reads them, this package judges.
//
//	report.go            everything about one wheel
//	code.go, load.go     device code, and which GPUs load it
//	kernels.go           kernels and what they take
//	compiler.go          what the check of the compiler found, by the wheel's record
//	host.go, manylinux.go, windows.go, symbols.go, mangled.go   shared objects
//	native.go            libraries of all formats: names, run paths
//	findings.go          what is wrong with the wheel
//	torch.go             whether a torch exports what the wheel needs
//	policy.go, rules.go  what a policy file asks for
//	changes.go           what changed from one wheel to another
//	text.go, changestext.go tables for people
package audit
