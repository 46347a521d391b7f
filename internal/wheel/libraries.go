package wheel

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// Libraries lists the shared objects of torch. path is a wheel, in which they lie in torch/lib, or the directory that
// holds them, or the directory above lib. The caller closes the closer after reading the objects.
func Libraries(path string) ([]object.Source, io.Closer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		sources, err := directoryLibraries(path)
		return sources, io.NopCloser(nil), err
	}
	file, size, err := OpenFile(path)
	if err != nil {
		return nil, nil, err
	}
	archive, err := readArchive(file, size)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return archive.libraries(), file, nil
}

func isLibrary(name string) bool {
	return strings.HasSuffix(name, ".so") || strings.Contains(name, ".so.") || object.IsDLL(name)
}

func directoryLibraries(dir string) ([]object.Source, error) {
	if inner, err := os.Stat(filepath.Join(dir, "lib")); err == nil && inner.IsDir() {
		dir = filepath.Join(dir, "lib")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var sources []object.Source
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		if err != nil || !info.Mode().IsRegular() || !isLibrary(entry.Name()) {
			continue
		}
		name := filepath.Join(dir, entry.Name())
		sources = append(sources, object.Source{Name: name, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(name) }})
	}
	return sources, nil
}

func (a *archive) libraries() []object.Source {
	var sources []object.Source
	for _, m := range a.members {
		if strings.HasSuffix(path.Dir(m.name), "lib") && isLibrary(m.name) {
			sources = append(sources, object.Source{Name: m.name, Size: m.size, Open: func() (io.ReadCloser, error) { return a.open(m) }})
		}
	}
	return sources
}

// open unpacks a member without checking its CRC, because the caller reads a part of it.
func (a *archive) open(m *member) (io.ReadCloser, error) {
	packed := io.NewSectionReader(a.reader, m.data, m.compressed)
	if m.method == methodStore {
		return struct {
			io.ReadSeeker
			io.Closer
		}{packed, io.NopCloser(nil)}, nil
	}
	return io.NopCloser(io.LimitReader(inflate(packed), m.size)), nil
}
