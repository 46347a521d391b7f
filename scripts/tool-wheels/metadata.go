package main

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed description.md
var description string

// metadata is METADATA (core metadata 2.4). The addresses are those of the Go module.
func metadata(b binary) string {
	home := "https://" + b.module
	var text strings.Builder
	for _, line := range []string{
		"Metadata-Version: 2.4", "Name: sagebuild", "Version: " + b.version,
		"Summary: Says what wheels with CUDA code hold and where they work; builds and tests wheels of SageAttention",
		"Description-Content-Type: text/markdown", "License-Expression: Apache-2.0",
		"License-File: LICENSE", "License-File: " + thirdPartyFile,
		"Requires-Python: >=3.8",
		"Keywords: cuda,wheel,audit,pytorch,sageattention",
		"Classifier: Environment :: Console",
		"Classifier: Environment :: GPU :: NVIDIA CUDA",
		"Classifier: Topic :: Software Development :: Build Tools",
		"Project-URL: Repository, " + home,
		"Project-URL: Changelog, " + home + "/blob/main/CHANGELOG.md",
	} {
		fmt.Fprintln(&text, line)
	}
	return text.String() + "\n" + description
}

// wheelFile is WHEEL. The wheel runs on every Python, and holds a program of one platform.
func wheelFile(b binary) string {
	text := "Wheel-Version: 1.0\nGenerator: sagebuild tool-wheels\nRoot-Is-Purelib: false\n"
	for tag := range strings.SplitSeq(b.tags, ".") {
		text += "Tag: py3-none-" + tag + "\n"
	}
	return text
}
