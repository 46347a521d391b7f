package index

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// sample is a small wheel that a test writes.
type sample struct {
	version, build, tag string
	requires            string // of torch, "" for none
	python              string // Requires-Python
	text                string // makes the bytes differ
	badRecord           bool
}

// of280 is the wheel of torch 2.8, CUDA 12.9 and Python 3.12.
func of280() sample { return cellOf("280.129", "2.8", "312") }

func cellOf(build, torch, python string) sample {
	minor := python[1:]
	return sample{
		version: "2.2.0", build: build, tag: fmt.Sprintf("cp%s-cp%s-linux_x86_64", python, python),
		requires: "torch==" + torch + ".*", python: fmt.Sprintf(">=3.%s,<3.%d", minor, atoi(minor)+1),
	}
}

func atoi(text string) (n int) {
	fmt.Sscan(text, &n)
	return n
}

func (s sample) name() string {
	if s.build == "" {
		return fmt.Sprintf("sageattention-%s-%s.whl", s.version, s.tag)
	}
	return fmt.Sprintf("sageattention-%s-%s-%s.whl", s.version, s.build, s.tag)
}

func (s sample) metadata() string {
	text := fmt.Sprintf("Metadata-Version: 2.4\nName: sageattention\nVersion: %s\n", s.version)
	if s.python != "" {
		text += "Requires-Python: " + s.python + "\n"
	}
	if s.requires != "" {
		text += "Requires-Dist: " + s.requires + "\n"
	}
	return text
}

func (s sample) wheelFile() string {
	text := "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\n"
	parts := strings.Split(s.tag, "-")
	for platform := range strings.SplitSeq(parts[2], ".") {
		text += fmt.Sprintf("Tag: %s-%s-%s\n", parts[0], parts[1], platform)
	}
	if s.build != "" {
		text += "Build: " + s.build + "\n"
	}
	return text
}

// write puts the wheel into dir and returns its path.
func (s sample) write(t testing.TB, dir string) string {
	t.Helper()
	info := "sageattention-" + s.version + ".dist-info"
	files := []wheeltest.File{
		{Name: "sageattention/__init__.py", Data: fmt.Appendf(nil, "text = %q\n", s.text+s.build+s.tag)},
		{Name: info + "/METADATA", Data: []byte(s.metadata())}, {Name: info + "/WHEEL", Data: []byte(s.wheelFile())},
	}
	recorded := slices.Clone(files)
	if s.badRecord {
		recorded[0].Data = bytes.ToUpper(recorded[0].Data)
	}
	files = append(files, wheeltest.File{Name: info + "/RECORD", Data: []byte(wheeltest.Record(info, recorded))})
	path := filepath.Join(dir, s.name())
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(path, wheeltest.Pack(t, "", files...), 0o644))
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is a directory with dist/ and site/.
type place struct {
	testing.TB
	dist, site string
}

func newPlace(t testing.TB, samples ...sample) place {
	dir := t.TempDir()
	p := place{t, filepath.Join(dir, "dist"), filepath.Join(dir, "public", "site")}
	for _, s := range samples {
		s.write(t, p.dist)
	}
	return p
}

func (p place) options() Options { return Options{Dist: p.dist, Output: p.site} }

func (p place) build() *Result {
	p.Helper()
	result, err := Build(context.Background(), p.options())
	must(p, err)
	return result
}

// refuses wants an error with this text, and the site as it was.
func (p place) refuses(options Options, text string) {
	p.Helper()
	before := tree(p, filepath.Dir(p.site))
	_, err := Build(context.Background(), options)
	if err == nil || !strings.Contains(err.Error(), text) {
		p.Fatalf("error is %v, want one with %q", err, text)
	}
	if after := tree(p, filepath.Dir(p.site)); after != before {
		p.Errorf("the site changed:\n%s\nit was:\n%s", after, before)
	}
}

func (p place) read(name string) string {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.site, name))
	must(p, err)
	return string(text)
}

// tree has a line for each file: its hash and name.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var lines strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		sum, err := digest.File(path)
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&lines, "%s  %s\n", sum, name)
		return err
	}))
	return lines.String()
}
