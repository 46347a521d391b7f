package base

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
)

func TestDebName(t *testing.T) {
	name, version := debName("/debs/zlib1g_1%3a1.2.11.dfsg-2_amd64.deb")
	if name != "zlib1g" || version != "1:1.2.11.dfsg-2" {
		t.Errorf("name %q, version %q", name, version)
	}
}

func TestRelocated(t *testing.T) {
	tests := []struct{ from, to string }{
		{"./usr/bin/python3.9", "usr/local/bin/python3.9"},
		{"./usr/lib/python3.9/os.py", "usr/local/lib/python3.9/os.py"},
		{"./usr/lib/x86_64-linux-gnu/libssl.so.1.1", "usr/local/lib/libssl.so.1.1"},
		{"./usr/lib/x86_64-linux-gnu/engines-1.1/x.so", "usr/local/lib/x86_64-linux-gnu/engines-1.1/x.so"},
		{"./usr/../usr/bin/x", "usr/local/bin/x"},
		{"./usr/bin/../../etc/passwd", ""},
		{"./etc/python3.9/sitecustomize.py", ""},
	}
	for _, test := range tests {
		if got, _ := relocated(test.from); got != test.to {
			t.Errorf("%s goes to %q, want %q", test.from, got, test.to)
		}
	}
}

func TestTreeIsTheSameForEveryone(t *testing.T) {
	write := func(order []string) []byte {
		tree := newTree(315532800)
		for _, name := range order {
			tree.files[name] = bytesFile([]byte(name), strings.HasSuffix(name, "x"))
		}
		tree.files["usr/local/bin/python"] = treeFile{link: "python3"}
		path := filepath.Join(t.TempDir(), "tree.tar")
		if err := tree.write(path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := write([]string{"usr/local/b", "usr/local/lib/x"})
	if !bytes.Equal(data, write([]string{"usr/local/lib/x", "usr/local/b"})) {
		t.Error("the order of insertion shows")
	}
	var got []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 315532800 {
			t.Errorf("%s has owner %d:%d, time %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		got = append(got, fmt.Sprintf("%s %o %s", h.Name, h.Mode, h.Linkname))
	}
	want := []string{"usr/ 755 ", "usr/local/ 755 ", "usr/local/bin/ 755 ", "usr/local/lib/ 755 ",
		"usr/local/b 644 ", "usr/local/bin/python 777 python3", "usr/local/lib/x 755 "}
	if !slices.Equal(got, want) {
		t.Errorf("entries are %q, want %q", got, want)
	}
}

func compressed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestModuleTree(t *testing.T) {
	list := `{"files": [
	  {"name": "bin", "size": 0, "perm": 2147484141},
	  {"name": "bin/python3.12", "size": 5, "perm": 509, "compressed": true},
	  {"name": "bin/python3", "size": 10, "perm": 134217728, "symlink": "python3.12"},
	  {"name": "bin/pip", "size": 3, "perm": 509},
	  {"name": "../../etc/passwd", "size": 3, "perm": 436},
	  {"name": "lib/python3.12/tkinter/__init__.py", "size": 3, "perm": 436},
	  {"name": "lib/python3.12/os.py", "size": 3, "perm": 436}]}`
	data := fstest.MapFS{
		"files.json":           {Data: []byte(list)},
		"bin/python3.12.gz":    {Data: compressed(t, "hello")},
		"lib/python3.12/os.py": {Data: []byte("abc")},
	}
	tree, err := moduleTree(data, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.files) != 3 {
		t.Errorf("tree has %d files, want 3: %v", len(tree.files), tree.files)
	}
	python := tree.files["usr/local/bin/python3.12"]
	r, err := python.open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "hello" || !python.executable {
		t.Errorf("python3.12 is %q (%v), executable: %v", text, err, python.executable)
	}
	if link := tree.files["usr/local/bin/python3"].link; link != "python3.12" {
		t.Errorf("python3 leads to %q", link)
	}
}

// TestStripELF runs a stripped program: what the loader maps must be whole.
func TestStripELF(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stripped, err := stripELF(f)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(stripped)) >= info.Size() {
		t.Errorf("%d bytes of %d are left, want less", len(stripped), info.Size())
	}
	path := filepath.Join(t.TempDir(), "stripped")
	if err := os.WriteFile(path, stripped, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "-test.run=^$").CombinedOutput(); err != nil {
		t.Errorf("the stripped program fails: %v: %s", err, out)
	}
}

func TestStripELFRefuses(t *testing.T) {
	header := elf.Header64{Phoff: 64, Phentsize: elffile.ProgramBytes, Phnum: 1}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	var huge bytes.Buffer
	for _, part := range []any{header, elf.Prog64{Off: 1 << 40, Filesz: 1}} {
		if err := binary.Write(&huge, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, "text": bytes.Repeat([]byte("x"), 100), "cut short": huge.Bytes()[:80], "huge segment": huge.Bytes()} {
		if _, err := stripELF(bytes.NewReader(data)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzStripELF(f *testing.F) {
	f.Add([]byte(elf.ELFMAG + "\x02\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		stripped, err := stripELF(bytes.NewReader(data))
		if err == nil && len(stripped) > len(data) {
			t.Errorf("%d bytes became %d", len(data), len(stripped))
		}
	})
}

func TestToolErrors(t *testing.T) {
	output := []byte("I: working\nE: Unable to locate package nonsense\nI: cleaning up\nE: mmdebstrap failed to run\n")
	err := toolError("mmdebstrap", "apt-get install mmdebstrap", errors.New("exit status 25"), output)
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || !strings.Contains(err.Error(), "Unable to locate package nonsense") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
	err = toolError("mmdebstrap", "apt-get install mmdebstrap", &exec.Error{Name: "mmdebstrap", Err: exec.ErrNotFound}, nil)
	if !errors.As(err, &e) || e.Hint != "apt-get install mmdebstrap" {
		t.Errorf("a missing tool gave %v", err)
	}
}
