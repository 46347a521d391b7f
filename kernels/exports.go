package kernels

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
)

// exportLine matches a function of the C interface, as csrc/host/sageattn*.h declares it.
var exportLine = regexp.MustCompile(`(?m)^SAGEATTN_API [^;(]*?(sageattn_\w+)\(`)

// findExports lists the functions that the host library gives on every platform, sorted.
func (k *Set) findExports(tree fs.FS) error {
	headers, err := fs.Glob(tree, path.Join(hostDir, "*.h"))
	if err != nil {
		return err
	}
	for _, header := range headers {
		content, err := fs.ReadFile(tree, header)
		if err != nil {
			return fmt.Errorf("reading %s: %w", header, err)
		}
		for _, match := range exportLine.FindAllSubmatch(content, -1) {
			k.Exports = append(k.Exports, string(match[1]))
		}
	}
	slices.Sort(k.Exports)
	return nil
}
