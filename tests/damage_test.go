package tests

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/report"
)

// TestDamagedWheelsFail tests the wheel that bake made, which passes, and copies with one thing wrong each, which
// the tests of the same cell must refuse. The stage is the real one with one file of its tests, that which judges the
// installed wheel: a run of all tests takes minutes, and `sagebuild test` runs them for the wheel of each cell.
func TestDamagedWheelsFail(t *testing.T) {
	tr := newTree(t)
	tr.keepTests("test_installed_wheel.py")
	tr.run(0, "bake")
	good := filepath.Join(tr.dist, wheelName)
	summary, _ := tr.run(0, "test", "--wheel", good)
	row := summary.Rows[0]
	if row.Tests == nil || row.Tests.Passed == 0 || row.Tests.Failed > 0 {
		t.Fatalf("the wheel as it was baked: %+v", row)
	}
	if !strings.HasPrefix(row.Versions["torch"], "2.8.0") || !strings.HasPrefix(row.Versions["python"], "CPython 3.12.") {
		t.Errorf("tested with %v, want torch 2.8.0 on Python 3.12", row.Versions)
	}
	for name, damage := range map[string]struct {
		apply func(*testing.T, members)
		fails string // a test, or what stops them all
	}{
		"import error":  {breakImport, "a_module_that_nobody_has"},
		"broken RECORD": {breakRecord, "test_installed_files_are_those_of_record"},
		"no kernels":    {dropFatbin, "test_fatbin_holds_the_planned_kernels"},
		"kernel lost":   {renameKernel, "test_fatbin_holds_the_planned_kernels"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), wheelName)
			rewrite(t, good, bad, damage.apply)
			summary, said := tr.run(1, "test", "--wheel", bad)
			row := summary.Rows[0]
			if row.Outcome != report.Failed || row.Failure == nil {
				t.Fatalf("a wheel with %s: %+v\n%s", name, row, lastLines(said))
			}
			if told := row.Failure.Message + strings.Join(row.Failure.Log, "\n"); !strings.Contains(told, damage.fails) {
				t.Errorf("a wheel with %s fails by %s, want it to name %s", name, told, damage.fails)
			}
		})
	}
	tr.expectClean()
}

// keepTests leaves of the package's tests the files of this name alone.
func (tr *tree) keepTests(name string) {
	tr.t.Helper()
	kept := 0
	err := filepath.WalkDir(filepath.Join(tr.source, "python", "tests"), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !strings.HasPrefix(entry.Name(), "test_"):
			return err
		case entry.Name() == name:
			kept++
			return nil
		default:
			return os.Remove(path)
		}
	})
	if err != nil || kept == 0 {
		tr.t.Fatalf("%d files %s are left of the tests (%v)", kept, name, err)
	}
}

// members are a wheel's files by name, in order.
type members struct {
	names []string
	files map[string][]byte
}

func rewrite(t *testing.T, from, to string, damage func(*testing.T, members)) {
	t.Helper()
	m := readMembers(t, from)
	damage(t, m)
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, name := range m.names {
		text, ok := m.files[name]
		if !ok {
			continue
		}
		w, err := archive.Create(name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readMembers(t *testing.T, path string) members {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	m := members{files: map[string][]byte{}}
	for _, file := range archive.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		m.names = append(m.names, file.Name)
		m.files[file.Name] = text
	}
	return m
}

// find is the one member with this suffix.
func (m members) find(t *testing.T, suffix string) string {
	t.Helper()
	for _, name := range m.names {
		if strings.HasSuffix(name, suffix) {
			return name
		}
	}
	t.Fatalf("the wheel has no %s", suffix)
	return ""
}

// replace changes a member and its line of RECORD, so that nothing but the content is wrong.
func (m members) replace(t *testing.T, name string, text []byte) {
	t.Helper()
	record := m.find(t, ".dist-info/RECORD")
	sum := sha256.Sum256(text)
	line := fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(text))
	m.files[name] = text
	m.files[record] = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`,.*\n`).ReplaceAllLiteral(m.files[record], []byte(line))
}

func breakImport(t *testing.T, m members) {
	name := m.find(t, "sageattention/__init__.py")
	m.replace(t, name, append(m.files[name], "import a_module_that_nobody_has\n"...))
}

func breakRecord(t *testing.T, m members) {
	name := m.find(t, "sageattention/core.py")
	m.files[name] = append(m.files[name], "# not what RECORD says\n"...)
}

func dropFatbin(t *testing.T, m members) {
	name := m.find(t, ".fatbin")
	record := m.find(t, ".dist-info/RECORD")
	delete(m.files, name)
	m.files[record] = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`,.*\n`).ReplaceAllLiteral(m.files[record], nil)
}

// renameKernel changes one letter of a kernel's name in every cubin, as if it had never been compiled.
func renameKernel(t *testing.T, m members) {
	name := m.find(t, ".fatbin")
	before := m.files[name]
	after := bytes.ReplaceAll(before, []byte("attention_fp16_masked_hd128"), []byte("attention_fp16_mazked_hd128"))
	if bytes.Equal(before, after) {
		t.Fatal("the fatbin names no kernel attention_fp16_masked_hd128: is it compressed?")
	}
	m.replace(t, name, after)
}
