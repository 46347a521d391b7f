// Package csrc holds the sources of the device code and of the host library. The program carries one of them, the list
// of kernels.
package csrc

import _ "embed"

// Kernels is the content of kernels.toml.
//
//go:embed kernels.toml
var Kernels []byte
