// Package index publishes wheels as a static site that pip and uv install from, says which of its wheels a user needs,
// and proves it with the real installers.
//
//	channel.go                      what a build tag says: torch and CUDA
//	entry.go, sdist.go              what a wheel says, and an sdist
//	attestation.go                  who signed it (PEP 740)
//	conflict.go                     wheels that an installer could not tell apart
//	manifest.go                     wheels.json, the list of all wheels of a site
//	simple.go, page.go              the pages for installers and for people
//	build.go, site.go, swap.go      publishing: compare with what is published, write aside, exchange
//	gpu.go, candidate.go            what a user has, and what there is
//	specifier.go, resolve.go        which wheel fits, and why the others do not
//	command.go                      what to type
//	serve.go, installer.go, check.go    the proof
package index
