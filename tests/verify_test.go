package tests

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/provenance"
	"github.com/sagebuild/sagebuild/internal/revision"
	"github.com/sagebuild/sagebuild/internal/sums"
)

// verdict is the part of what `sagebuild verify --json` prints that tests look at.
type verdict struct {
	Result     string
	Cached     bool
	Problems   []string
	Difference struct {
		Members []struct {
			Name  string
			Parts []struct{ Name string }
		}
	}
}

// verify wants an exit code, and returns the verdict on the tree's wheel.
func (tr *tree) verify(want int, args ...string) verdict {
	tr.t.Helper()
	all := append([]string{"verify", "--source", tr.source, "--state", tr.state, "--matrix", filepath.Join("testdata", "small.hcl"),
		"--progress", "quiet", "--json", filepath.Join(tr.dist, wheelName)}, args...)
	var out, said bytes.Buffer
	cmd := exec.Command("sagebuild", all...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		tr.t.Fatalf("sagebuild verify: exit code %d (%v), want %d\n%s\n%s", got, err, want, out.String(), lastLines(said.String()))
	}
	var result struct{ Wheels []verdict }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || len(result.Wheels) != 1 {
		tr.t.Fatalf("sagebuild verify printed %v: %s", err, out.String())
	}
	return result.Wheels[0]
}

// TestVerify builds a wheel, verifies it, then changes the source, the wheel and the files beside it.
func TestVerify(t *testing.T) {
	tr := newTree(t)
	commit := tr.commit()
	tr.run(0, "bake")
	if got := tr.revision(); got != commit {
		t.Errorf("the provenance names the commit %q, want %s", got, commit)
	}
	if v := tr.verify(0); v.Result != "identical" || !v.Cached || len(v.Problems) > 0 {
		t.Errorf("right after the bake: %+v", v)
	}
	checkBeside(t, tr.dist)

	tr.append("python/sageattention/core.py", "# one more line\n")
	v := tr.verify(4)
	if got := v.names(); !slices.Equal(got, []string{"sageattention/core.py", "sageattention-2.2.0.dist-info/RECORD"}) {
		t.Errorf("the source changed: %s, members %v", v.Result, got)
	}
	tr.run(0, "bake")
	if got := tr.revision(); got != commit+revision.Dirty {
		t.Errorf("the source changed: the provenance names the commit %q, want %s", got, commit+revision.Dirty)
	}
	if v := tr.verify(0); v.Result != "identical" {
		t.Errorf("after another bake: %+v", v)
	}

	tr.damage("sageattention/lib/sageattn.fatbin")
	kept := filepath.Join(t.TempDir(), "kept")
	v = tr.verify(4, "--keep", kept)
	if got := v.names(); !slices.Equal(got, []string{"sageattention/lib/sageattn.fatbin"}) {
		t.Fatalf("the wheel changed: %s, members %v", v.Result, got)
	}
	if parts := v.Difference.Members[0].Parts; len(parts) != 1 || !strings.Contains(parts[0].Name, " SM ") {
		t.Errorf("the fatbin changed: %v", parts)
	}
	if len(v.Problems) != 2 || !strings.Contains(strings.Join(v.Problems, " "), "SHA256SUMS says") {
		t.Errorf("SHA256SUMS and provenance are of the old wheel: %q", v.Problems)
	}
	checkBeside(t, kept)
	tr.expectClean()
}

// commit makes the source tree a repository of one commit.
func (tr *tree) commit() string {
	tr.t.Helper()
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "all"}} {
		if out, err := revision.Git(tr.t.Context(), tr.source, args...).CombinedOutput(); err != nil {
			tr.t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	return revision.Of(tr.t.Context(), tr.source)
}

// revision is the commit that the provenance beside the wheel names.
func (tr *tree) revision() string {
	tr.t.Helper()
	text, err := os.ReadFile(filepath.Join(tr.dist, provenance.StatementFile(wheelName)))
	if err != nil {
		tr.t.Fatal(err)
	}
	return provenance.Revision(text)
}

func (v verdict) names() []string {
	var names []string
	for _, m := range v.Difference.Members {
		names = append(names, m.Name)
	}
	return names
}

// checkBeside wants the wheel, its provenance and true sums of both in a directory.
func checkBeside(t *testing.T, dir string) {
	t.Helper()
	list, err := sums.Read(dir)
	if err != nil || len(list) != 2 {
		t.Errorf("SHA256SUMS: %v, %v", list, err)
	}
	for name, want := range list {
		if got, err := digest.File(filepath.Join(dir, name)); err != nil || got != want {
			t.Errorf("%s: SHA-256 %s, %v, listed is %s", name, got, err, want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, provenance.StatementFile(wheelName)))
	if err != nil {
		t.Fatal(err)
	}
	if err := provenance.CheckStatement(text, wheelName, list[wheelName]); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"build-arg:CUDA":"12.9.1"`, `pkg:oci/base`, "python3 -m build_backend"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the provenance does not say %s", want)
		}
	}
}

// damage packs the wheel again with one byte of a member changed, in the middle of it.
func (tr *tree) damage(name string) {
	tr.t.Helper()
	path := filepath.Join(tr.dist, wheelName)
	text := tr.readWheel()
	reader, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		tr.t.Fatal(err)
	}
	var changed bytes.Buffer
	writer := zip.NewWriter(&changed)
	for _, file := range reader.File {
		if file.Name != name {
			err = writer.Copy(file)
		} else {
			err = copyDamaged(writer, file)
		}
		if err != nil {
			tr.t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, changed.Bytes(), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func copyDamaged(writer *zip.Writer, file *zip.File) error {
	member, err := file.Open()
	if err != nil {
		return err
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(member); err != nil {
		return err
	}
	data.Bytes()[data.Len()/2] ^= 1
	to, err := writer.CreateHeader(&zip.FileHeader{Name: file.Name, Method: file.Method, Modified: file.Modified, ExternalAttrs: file.ExternalAttrs, CreatorVersion: file.CreatorVersion})
	if err == nil {
		_, err = to.Write(data.Bytes())
	}
	return err
}
