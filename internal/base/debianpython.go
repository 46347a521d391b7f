package base

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// debianPython makes the layer of an interpreter from Debian packages of an older suite, moved from /usr to
// /usr/local, with the shared libraries that a newer suite no longer has in /usr/local/lib.
func (s *Store) debianPython(ctx context.Context, work string, p *Python, check pinCheck) (string, error) {
	debs, all, err := s.download(ctx, work, p.Debian, s.Lock.Architecture)
	if err != nil {
		return "", err
	}
	pins, err := includedPins(p.Debian, all)
	if err != nil {
		return "", err
	}
	if err := check(pins); err != nil {
		return "", err
	}
	t, err := debianTree(ctx, debs, p, s.Lock.Epoch)
	if err != nil {
		return "", err
	}
	name := filepath.Join(work, "python.tar")
	return name, t.write(name)
}

// includedPins returns the pins of the packages that the lock asks for. Packages that came with them, such as the C
// library, belong to the base.
func includedPins(a *Archive, all map[string]Pin) (map[string]Pin, error) {
	pins := map[string]Pin{}
	for _, name := range a.Include {
		pin, ok := all[name]
		if !ok {
			return nil, changed(a.Range, "%s has no package %s", a.Suite, name)
		}
		pins[name] = pin
	}
	return pins, nil
}

func debianTree(ctx context.Context, debs string, p *Python, epoch int64) (*tree, error) {
	t := newTree(epoch)
	if err := addDebs(ctx, t, debs, p.Debian, relocated); err != nil {
		return nil, err
	}
	t.files["usr/local/bin/python3"] = treeFile{link: "python" + p.Version}
	t.files["usr/local/bin/python"] = treeFile{link: "python3"}
	return t, unpatch(t, "usr/local/lib/python"+p.Version+"/")
}

// debianUnwanted matches files that are of no use outside Debian: hooks into /etc, and two modules whose libraries
// would have to come along.
var debianUnwanted = regexp.MustCompile(`^usr/local/share/|/sitecustomize\.py$|/lib-dynload/(nis|_dbm)\.`)

// placement says where a file of a package goes in a tree, if anywhere.
type placement func(name string) (string, bool)

// addDebs adds the packages that a asks for from the directory debs.
func addDebs(ctx context.Context, t *tree, debs string, a *Archive, place placement) error {
	for _, name := range a.Include {
		paths, err := filepath.Glob(filepath.Join(debs, name+"_*.deb"))
		if err != nil || len(paths) != 1 {
			return fmt.Errorf("package %s came as %s (%w)", name, ui.Count(len(paths), "file"), err)
		}
		if err := addDeb(ctx, t, paths[0], place); err != nil {
			return fmt.Errorf("package %s: %w", name, err)
		}
	}
	return nil
}

// addDeb adds the files of a package.
func addDeb(ctx context.Context, t *tree, deb string, place placement) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	output, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("unpacking: %w: %s", err, problem.Bytes())
	}
	archive := tar.NewReader(bytes.NewReader(output))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := addEntry(t, h, archive, place); err != nil {
			return err
		}
	}
}

func addEntry(t *tree, h *tar.Header, content io.Reader, place placement) error {
	name, ok := place(h.Name)
	if !ok {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		t.files[name] = treeFile{link: h.Linkname}
	case tar.TypeReg:
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		t.files[name] = bytesFile(data, fs.FileMode(h.Mode)&0o100 != 0)
	}
	return nil
}

// relocated maps a path of a package to its place below usr/local. Shared libraries move out of their architecture's
// directory, to where the loader's cache looks first.
func relocated(name string) (string, bool) {
	rest, ok := strings.CutPrefix(path.Clean("/"+name), "/usr/")
	if !ok {
		return "", false
	}
	name = "usr/local/" + rest
	if dir, file := path.Split(rest); strings.HasPrefix(dir, "lib/") && strings.HasSuffix(dir, "-linux-gnu/") {
		name = "usr/local/lib/" + file
	}
	return name, !debianUnwanted.MatchString(name)
}

// debianPatches takes back, file by file, what Debian changed about where packages are installed: it reserves
// /usr/local/lib/python3.9/dist-packages for the administrator, and pip, uv and .pth files expect site-packages.
var debianPatches = map[string][]struct{ old, new string }{
	"site.py": {{`"dist-packages"`, `"site-packages"`}},
	"distutils/command/install.py": {
		{`self.select_scheme("unix_local")`, `self.select_scheme("unix_prefix")`},
		{`self.prefix = self.exec_prefix = '/usr'`, `pass`},
		{`self.install_base = self.install_platbase = '/usr'`, `pass`},
	},
	"distutils/sysconfig.py": {
		{`os.path.join(prefix, "lib", "python3", "dist-packages")`, `os.path.join(libpython, "site-packages")`},
	},
}

func unpatch(t *tree, stdlib string) error {
	for name, edits := range debianPatches {
		file, ok := t.files[stdlib+name]
		if !ok {
			return fmt.Errorf("the packages hold no %s", stdlib+name)
		}
		r, err := file.open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		for _, edit := range edits {
			if !bytes.Contains(text, []byte(edit.old)) {
				return fmt.Errorf("%s no longer holds %s", name, edit.old)
			}
			text = bytes.ReplaceAll(text, []byte(edit.old), []byte(edit.new))
		}
		t.files[stdlib+name] = bytesFile(text, file.executable)
	}
	return nil
}
