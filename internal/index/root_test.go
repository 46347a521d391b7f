package index

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func universalSample() sample {
	return sample{version: "2.2.0", tag: "py3-none-manylinux_2_17_x86_64", requires: "torch>=2.4", python: ">=3.9"}
}

// writeSdist puts an sdist with one file into dir.
func writeSdist(t *testing.T, dir, name, member, information string) string {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, name)
	file, err := os.Create(path)
	must(t, err)
	packed := gzip.NewWriter(file)
	archive := tar.NewWriter(packed)
	must(t, archive.WriteHeader(&tar.Header{Name: member, Size: int64(len(information)), Mode: 0o644}))
	_, err = archive.Write([]byte(information))
	must(t, errors.Join(err, archive.Close(), packed.Close(), file.Close()))
	return path
}

const information = "Metadata-Version: 2.4\nName: sageattention\nVersion: 2.2.0\nRequires-Python: >=3.9\n"

// The root has what needs no choice, and nothing else.
func TestRootServesUniversalWheelsAndSdists(t *testing.T) {
	p := newPlace(t, of280(), universalSample())
	writeSdist(t, p.dist, "sageattention-2.2.0.tar.gz", "sageattention-2.2.0/PKG-INFO", information)
	result := p.build()
	if len(result.Sdists) != 1 || len(result.Wheels) != 2 || result.Indexes[0] != "simple" {
		t.Fatalf("result %+v", result)
	}
	page := p.read("simple/sageattention/index.html")
	for _, want := range []string{
		`href="../universal/sageattention/` + universalSample().name() + `#sha256=`,
		`href="../universal/sageattention/sageattention-2.2.0.tar.gz#sha256=` + result.Sdists[0].SHA256 + `" data-requires-python="&gt;=3.9">`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Count(page, "<a ") != 2 {
		t.Errorf("want two links:\n%s", page)
	}
	if page := p.read("simple/index.html"); !strings.Contains(page, `<a href="sageattention/">`) || strings.Contains(page, "cu129") {
		t.Errorf("the root:\n%s", page)
	}
	var files projectJSON
	must(t, json.Unmarshal([]byte(p.read("simple/sageattention/index.json")), &files))
	if len(files.Files) != 2 || files.Files[1].URL != "../universal/sageattention/sageattention-2.2.0.tar.gz" || files.Files[1].CoreMetadata != nil {
		t.Errorf("files %+v", files.Files)
	}
	if !strings.Contains(p.read("index.html"), ">sageattention-2.2.0.tar.gz</a>") {
		t.Error("index.html does not name the sdist")
	}
	checkSums(t, p.site)
	if again := p.build(); again.Kept != 3 {
		t.Errorf("again: %+v", again)
	}
}

func TestRefusedSdists(t *testing.T) {
	for _, test := range []struct{ name, file, member, information, want string }{
		{"another version", "sageattention-2.2.1.tar.gz", "sageattention-2.2.1/PKG-INFO", information, "is not the name of sageattention 2.2.0"},
		{"no PKG-INFO", "sageattention-2.2.0.tar.gz", "elsewhere/PKG-INFO", information, "it has no sageattention-2.2.0/PKG-INFO"},
		{"a name of others", "SageAttention_2.tar.gz", "x", "", "PEP 625"},
		{"a channel's name", "universal-2.2.0.tar.gz", "universal-2.2.0/PKG-INFO", strings.ReplaceAll(information, "sageattention", "universal"), "a directory universal of its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, of280())
			must(t, os.MkdirAll(filepath.Dir(p.site), 0o755))
			writeSdist(t, p.dist, test.file, test.member, test.information)
			p.refuses(p.options(), test.want)
		})
	}
}

// A web server is another user than the one who publishes.
func TestSiteIsReadableWhateverTheUmask(t *testing.T) {
	p := newPlace(t, of280(), universalSample())
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	p.build()
	must(t, filepath.WalkDir(filepath.Dir(p.site), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		want := fs.FileMode(0o644)
		if entry.IsDir() {
			want = 0o755
		}
		if err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// attestationOf is an attestation as pypi-attestations writes it, with a signature that nobody made.
func attestationOf(name, sum string) string {
	about := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":%q,"digest":{"sha256":%q}}],`+
		`"predicateType":"https://docs.pypi.org/attestations/publish/v1","predicate":null}`, name, sum)
	return fmt.Sprintf(`{"version":1,"verification_material":{"certificate":"AA==","transparency_entries":[{}]},"envelope":{"statement":%q,"signature":"AA=="}}`,
		base64.StdEncoding.EncodeToString([]byte(about)))
}

func TestAttestationsArePublished(t *testing.T) {
	p := newPlace(t, of280())
	entry, err := Inspect(filepath.Join(p.dist, of280().name()))
	must(t, err)
	beside := filepath.Join(p.dist, entry.Filename+".publish.attestation")
	must(t, os.WriteFile(beside, []byte(attestationOf(entry.Filename, entry.SHA256)), 0o644))
	options := p.options()
	if options.Publisher, err = ParsePublisher("github:example/wheels/release.yml"); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), options); !errors.Is(err, diag.Usage) {
		t.Errorf("without an address: %v", err)
	}
	options.URL = "https://example.org/w/"
	published := func() Entry {
		t.Helper()
		result, err := Build(t.Context(), options)
		must(t, err)
		checkSums(t, p.site)
		return result.Wheels[0]
	}
	first := published()
	link := "https://example.org/w/" + first.Path() + ".provenance"
	if page := p.read(project280 + "index.html"); !strings.Contains(page, `data-provenance="`+link+`"`) {
		t.Errorf("no provenance in\n%s", page)
	}
	if page := p.read(project280 + "index.json"); !strings.Contains(page, `"provenance": "`+link+`"`) {
		t.Errorf("no provenance in\n%s", page)
	}
	var object provenance
	must(t, json.Unmarshal([]byte(p.read(first.Path()+".provenance")), &object))
	if object.Version != 1 || len(object.Bundles) != 1 || object.Bundles[0].Publisher.Repository != "example/wheels" || len(object.Bundles[0].Attestations) != 1 {
		t.Errorf("provenance %+v", object)
	}
	must(t, os.Remove(beside)) // what is published stays
	if again := published(); again.ProvenanceSHA256 != first.ProvenanceSHA256 {
		t.Errorf("provenance was lost: %+v", again)
	}
	for name, text := range map[string]string{
		"of another file": attestationOf("other.whl", entry.SHA256), "of other bytes": attestationOf(entry.Filename, strings.Repeat("0", 64)),
		"no JSON": "hello", "of another version": strings.Replace(attestationOf(entry.Filename, entry.SHA256), `"version":1`, `"version":2`, 1),
	} {
		must(t, os.WriteFile(beside, []byte(text), 0o644))
		if _, err := Build(t.Context(), options); !errors.Is(err, diag.Mismatch) {
			t.Errorf("an attestation %s: %v", name, err)
		}
	}
}

func TestPublishers(t *testing.T) {
	for _, text := range []string{"", "github:wheels/release.yml", "github:a/b/release.sh", "gitlab:a/b/c.yml", "github:a/b/../c.yml"} {
		if p, err := ParsePublisher(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
}
