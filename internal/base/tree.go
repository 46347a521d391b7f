package base

import (
	"archive/tar"
	"bufio"
	"bytes"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"time"
)

// tree is a file tree that becomes a layer. Its tar file depends on nothing but names, contents, links and who may
// execute: order, owners, times and other permissions are the same for everyone.
type tree struct {
	epoch int64
	files map[string]treeFile // by path without a leading slash
}

// treeFile is a file, or a symbolic link when link is not empty.
type treeFile struct {
	open       func() (io.ReadCloser, error)
	size       int64
	executable bool
	link       string
}

func newTree(epoch int64) *tree { return &tree{epoch: epoch, files: map[string]treeFile{}} }

// bytesFile is a file with the given content.
func bytesFile(data []byte, executable bool) treeFile {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return treeFile{open: open, size: int64(len(data)), executable: executable}
}

// write writes the tree to a new tar file at name.
func (t *tree) write(name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := tar.NewWriter(buffered)
	if err := t.writeEntries(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

func (t *tree) writeEntries(w *tar.Writer) error {
	for _, dir := range t.directories() {
		if err := w.WriteHeader(t.header(dir+"/", tar.TypeDir, 0o755)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if err := t.writeFile(w, name, t.files[name]); err != nil {
			return err
		}
	}
	return nil
}

// directories lists the parents of all files, each after its own parent.
func (t *tree) directories() []string {
	dirs := map[string]bool{}
	for name := range t.files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

func (t *tree) header(name string, kind byte, mode int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, ModTime: time.Unix(t.epoch, 0), Format: tar.FormatPAX}
}

func (t *tree) writeFile(w *tar.Writer, name string, file treeFile) error {
	if file.link != "" {
		h := t.header(name, tar.TypeSymlink, 0o777)
		h.Linkname = file.link
		return w.WriteHeader(h)
	}
	h := t.header(name, tar.TypeReg, 0o644)
	if h.Size = file.size; file.executable {
		h.Mode = 0o755
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	r, err := file.open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}
