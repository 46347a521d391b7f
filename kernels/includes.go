package kernels

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

var includeLine = regexp.MustCompile(`^\s*#\s*include\s*"([^"]*)"`)

// followIncludes fills the headers of every source, and those that the host library shares with the device.
func (k *Set) followIncludes(sourceDir string) error {
	tree := os.DirFS(sourceDir)
	for i := range k.Sources {
		source := &k.Sources[i]
		if _, err := fs.Stat(tree, source.Path()); err != nil {
			return k.errorAt(source.File, "%s does not exist", source.Path())
		}
		headers, err := closure(tree, source.Path())
		if err != nil {
			return err
		}
		source.Headers = headers
	}
	if err := k.findExports(tree); err != nil {
		return err
	}
	return k.followHost(tree)
}

// followHost finds the device headers that the host library includes: they hold the parameters of launches.
func (k *Set) followHost(tree fs.FS) error {
	var starts []string
	for _, pattern := range []string{"*.c", "*.h"} {
		found, err := fs.Glob(tree, path.Join(hostDir, pattern))
		if err != nil {
			return err
		}
		starts = append(starts, found...)
	}
	headers, err := closure(tree, starts...)
	if err != nil {
		return err
	}
	k.HostHeaders = slices.DeleteFunc(headers, func(name string) bool { return path.Dir(name) == hostDir })
	return nil
}

// closure lists, sorted, every file that the files of starts include, directly or through other files. The list
// leaves out starts. An `#include "…"` names a file beside the including file, or a file below csrc/device. An
// `#include <…>` names a file of the toolkit, and stays out.
func closure(tree fs.FS, starts ...string) ([]string, error) {
	seen := map[string]bool{}
	for _, start := range starts {
		seen[start] = true
	}
	var headers []string
	for queue := slices.Clone(starts); len(queue) > 0; queue = queue[1:] {
		included, err := includesOf(tree, queue[0])
		if err != nil {
			return nil, err
		}
		for _, name := range included {
			if !seen[name] {
				seen[name] = true
				queue = append(queue, name)
				headers = append(headers, name)
			}
		}
	}
	slices.Sort(headers)
	return headers, nil
}

// includesOf lists what one file includes directly.
func includesOf(tree fs.FS, name string) ([]string, error) {
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.FromSlash(name), err)
	}
	var found []string
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for line := 1; lines.Scan(); line++ {
		match := includeLine.FindSubmatchIndex(lines.Bytes())
		if match == nil {
			continue
		}
		header := string(lines.Bytes()[match[2]:match[3]])
		target, err := resolveInclude(tree, name, header)
		if err != nil {
			return nil, &diag.Error{
				Message: fmt.Sprintf("cannot include %q", header), Class: diag.Usage, Err: err,
				Range: &diag.Range{File: name, Line: line, Column: match[2]},
			}
		}
		found = append(found, target)
	}
	return found, lines.Err()
}

func resolveInclude(tree fs.FS, from, header string) (string, error) {
	for _, candidate := range []string{path.Join(path.Dir(from), header), path.Join(deviceDir, header)} {
		if !fs.ValidPath(candidate) || !strings.HasPrefix(candidate, sourcesDir) {
			continue
		}
		if info, err := fs.Stat(tree, candidate); err == nil && info.Mode().IsRegular() {
			return candidate, nil
		}
	}
	return "", errors.New("there is no such file below csrc")
}
