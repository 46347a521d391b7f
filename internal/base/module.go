package base

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// download is what `go mod download -json` says about a module.
type download struct {
	Zip   string
	Sum   string
	Error string
}

// sumCheck accepts or refuses the hash of a module.
type sumCheck func(sum string) error

// lockedSum accepts the hash that the lock has.
func lockedSum(p *Python) sumCheck {
	return func(sum string) error {
		if sum == p.Module.Sum {
			return nil
		}
		return changed(p.Range, "module %s %s has the hash %s, not the locked one", p.Module.Path, p.Module.Version, sum)
	}
}

// moduleLayer is a relocatable CPython that a Go module embeds, one file of the module for each file of the tree.
type moduleLayer struct {
	*Module
	machine string            // such as linux-amd64
	check   sumCheck          // of the module
	add     func(*tree) error // what else belongs to the tree; nil is nothing
}

// modulePython makes the layer of an interpreter. It returns the tar file's path and the module's hash.
func (s *Store) modulePython(ctx context.Context, work string, m moduleLayer) (string, string, error) {
	found, err := fetchModule(ctx, work, m.Module)
	if err != nil {
		return "", "", err
	}
	if err := m.check(found.Sum); err != nil {
		return "", "", err
	}
	archive, err := zip.OpenReader(found.Zip)
	if err != nil {
		return "", "", fmt.Errorf("reading module %s: %w", m.Path, err)
	}
	defer archive.Close()
	files, err := fs.Sub(archive, m.Path+"@"+m.Version+"/python/internal/data/"+m.machine)
	if err != nil {
		return "", "", err
	}
	t, err := moduleTree(files, s.Lock.Epoch)
	if err != nil {
		return "", "", fmt.Errorf("module %s %s: %w", m.Path, m.Version, err)
	}
	if m.add != nil {
		if err := m.add(t); err != nil {
			return "", "", err
		}
	}
	tar := filepath.Join(work, "python.tar")
	return tar, found.Sum, t.write(tar)
}

// fetchModule downloads a module with the Go tool, which knows the machine's proxy and checks the checksum database,
// into a module cache of its own: no one else wants these files.
func fetchModule(ctx context.Context, work string, m *Module) (*download, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "-modcacherw", m.Path+"@"+m.Version)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "GOMODCACHE="+filepath.Join(work, "modules"),
		"GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local")
	together(cmd)
	var output, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &said
	err := keepingThread(cmd.Run)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var found download
	if jsonErr := json.Unmarshal(output.Bytes(), &found); jsonErr == nil && found.Error != "" {
		return nil, toolError("go mod download", "", errors.New("fetching "+m.Path), []byte(found.Error))
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, toolError("go mod download", "", err, said.Bytes())
	}
	if err != nil {
		return nil, toolError("go", "apt-get install --yes golang-go", err, nil)
	}
	return &found, nil
}

// fileList is files.json of the module's data.
type fileList struct {
	Files []struct {
		Name       string      `json:"name"`
		Size       int64       `json:"size"`
		Perm       fs.FileMode `json:"perm"`
		Symlink    string      `json:"symlink"`
		Compressed bool        `json:"compressed"`
	} `json:"files"`
}

// unwanted matches files of the tree that no build and no test uses: scripts for a pip that is not there, the
// graphical toolkit, and files for embedding Python.
var unwanted = regexp.MustCompile(`^bin/(2to3|idle|pip|pydoc)|-config$|^include/|^share/|^lib/pkgconfig/|` +
	`^lib/(tcl|tk|itcl|thread)[0-9]|^lib/python3\.[0-9]+/(config-|idlelib/|tkinter/|turtledemo/|test/)|` +
	// The same files in a tree for Windows.
	`^Scripts/|^libs/|^tcl/|^DLLs/(_test|_tkinter|tcl|tk)|^Lib/(idlelib|tkinter|turtledemo|test)/`)

// moduleTree turns the module's data directory into a tree below usr/local.
func moduleTree(data fs.FS, epoch int64) (*tree, error) {
	text, err := fs.ReadFile(data, "files.json")
	if err != nil {
		return nil, err
	}
	var list fileList
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("files.json: %w", err)
	}
	t := newTree(epoch)
	for _, f := range list.Files {
		if !fs.ValidPath(f.Name) || f.Perm.IsDir() || unwanted.MatchString(f.Name) {
			continue
		}
		file := treeFile{link: f.Symlink, size: f.Size, executable: f.Perm&0o100 != 0}
		if f.Symlink == "" {
			if file, err = moduleFile(data, f.Name, file, f.Compressed); err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
		}
		t.files[path.Join("usr/local", f.Name)] = file
	}
	return t, nil
}

// moduleFile completes a file that is not a link.
func moduleFile(data fs.FS, name string, file treeFile, compressed bool) (treeFile, error) {
	file.open = func() (io.ReadCloser, error) { return openModuleFile(data, name, compressed) }
	if !strings.HasPrefix(name, "lib/libpython") {
		return file, nil
	}
	r, err := file.open()
	if err != nil {
		return file, err
	}
	defer r.Close()
	stripped, err := stripELF(r)
	return bytesFile(stripped, file.executable), err
}

func openModuleFile(data fs.FS, name string, compressed bool) (io.ReadCloser, error) {
	if !compressed {
		return data.Open(name)
	}
	f, err := data.Open(name + ".gz")
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}
