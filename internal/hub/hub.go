// Package hub writes a wheel's package as a directory that Hugging Face's kernels loads: one build for every torch, CUDA
// and Python, and for the platforms of all wheels that go in.
//
//	DIR/README.md, LICENSE                                     for people and for the Hub
//	DIR/build/torch-cuda/metadata.json                         what kernels reads first
//	DIR/build/torch-cuda/__init__.py, …                        the package
//	DIR/build/torch-cuda/lib/sageattn.fatbin                   the kernels
//	DIR/build/torch-cuda/lib/x86_64-linux/libsageattn.so, …    a library for each platform
//
// kernels imports the package under the id of metadata.json, and the package names its operators after that.
package hub

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/durable"
)

// Variant is the build that fits every torch with CUDA (kernels 0.17, kernels/variants.py: NoarchVariant).
const Variant = "torch-cuda"

// Repository is the name under which programs ask the Hub for SageAttention (diffusers 0.42, attention_dispatch.py).
const Repository = "SageAttention/sage-attention"

// Options say what is written where.
type Options struct {
	Wheels []string // universal wheels, one for each platform
	Output string   // the directory
}

// Result is what was written.
type Result struct {
	Output    string   `json:"output"`
	ID        string   `json:"id"`      // the module's name, and its operators'
	Version   string   `json:"version"` // of the package
	Platforms []string `json:"platforms"`
	Archs     []string `json:"archs"`
	Files     int      `json:"files"`
	Size      int64    `json:"size"`
}

// Export writes the directory, in the place of an earlier one. Nothing else is replaced.
//
// Errors are of class diag.Usage for wheels that do not go together and for a directory of somebody else, and
// diag.Mismatch for a wheel that contradicts itself.
func Export(options Options) (*Result, error) {
	if err := checkOutput(options.Output); err != nil {
		return nil, err
	}
	sources, err := readAll(options.Wheels)
	if err != nil {
		return nil, err
	}
	output, err := realPath(options.Output)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o777); err != nil {
		return nil, err
	}
	aside, err := os.MkdirTemp(filepath.Dir(output), "."+filepath.Base(output)+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(aside) // with the directory that was there before
	made := filepath.Join(aside, "kernel")
	result, err := write(made, sources)
	if err != nil {
		return nil, err
	}
	result.Output = options.Output
	return result, durable.Replace(made, output)
}

// realPath follows links, so that a link to an export goes on leading to it.
func realPath(dir string) (string, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	return filepath.Abs(dir)
}

// checkOutput refuses a directory that holds something else than an earlier export.
func checkOutput(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "build", Variant, metadataFile)); err != nil {
		return diag.Usagef("sagebuild export --output DIR", "%s is not empty, and no kernel was exported to it", dir)
	}
	return nil
}

func write(dir string, sources []*source) (*Result, error) {
	build := filepath.Join(dir, "build", Variant)
	files := map[string][]byte{} // digests, by name below build
	for n, source := range sources {
		for _, file := range source.files {
			if n > 0 && !file.native {
				continue // the same bytes: readAll has compared them
			}
			sum, err := source.extract(file.member, filepath.Join(build, filepath.FromSlash(file.name)))
			if err != nil {
				return nil, err
			}
			files[file.name] = sum
		}
	}
	first := sources[0]
	sum, err := writeFile(filepath.Join(build, versionFile), []byte(first.version()+"\n"))
	if err != nil {
		return nil, err
	}
	files[versionFile] = sum
	metadata := newMetadata(first, files)
	if err := metadata.write(filepath.Join(build, metadataFile)); err != nil {
		return nil, err
	}
	result := &Result{ID: metadata.ID, Version: first.version(), Platforms: platforms(sources), Archs: metadata.Backend.Archs}
	if err := writePages(dir, sources, result); err != nil {
		return nil, err
	}
	return result, result.measure(dir)
}

// versionFile tells the package its version, which no installed distribution does here (sageattention/_requirements.py).
const versionFile = "VERSION"

func platforms(sources []*source) []string {
	names := make([]string, len(sources))
	for n, source := range sources {
		names[n] = source.platform
	}
	return names
}

// measure counts files and bytes.
func (r *Result) measure(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			r.Files, r.Size = r.Files+1, r.Size+info.Size()
		}
		return err
	})
}

func readAll(wheels []string) ([]*source, error) {
	sources := make([]*source, len(wheels))
	for n, wheel := range wheels {
		source, err := readSource(wheel)
		if err != nil {
			return nil, err
		}
		sources[n] = source
	}
	slices.SortFunc(sources, func(a, b *source) int { return cmp.Compare(a.platform, b.platform) })
	for n := 1; n < len(sources); n++ {
		if err := sources[n].checkBeside(sources[n-1]); err != nil {
			return nil, err
		}
	}
	return sources, nil
}
