package index

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/sums"
)

const project280 = "simple/cu129/torch2.8/sageattention/"

func TestBuildWritesWhatInstallersRead(t *testing.T) {
	p := newPlace(t, of280(), cellOf("280.129", "2.8", "311"), cellOf("2100.130", "2.10", "312"))
	result := p.build()
	if len(result.Added) != 3 || len(result.Indexes) != 2 || result.Indexes[1] != "simple/cu130/torch2.10" {
		t.Errorf("result %+v", result)
	}
	entry := result.Wheels[1]
	if want := of280().name(); entry.Filename != want {
		t.Fatalf("second wheel is %s, want %s", entry.Filename, want)
	}
	page := p.read(project280 + "index.html")
	for _, want := range []string{
		`href="` + entry.Filename + `#sha256=` + entry.SHA256 + `"`, `data-requires-python="&gt;=3.12,&lt;3.13"`,
		`data-core-metadata="sha256=` + entry.MetadataSHA256 + `"`, `data-dist-info-metadata="sha256=` + entry.MetadataSHA256 + `"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
	if strings.Count(page, "<a ") != 2 {
		t.Errorf("want two links:\n%s", page)
	}
	if got := p.read(project280 + entry.Filename + ".metadata"); got != of280().metadata() {
		t.Errorf("metadata is %q", got)
	}
	if sum, err := digest.File(filepath.Join(p.site, project280, entry.Filename+".metadata")); err != nil || sum != entry.MetadataSHA256 {
		t.Errorf("metadata has hash %s, %v; the page says %s", sum, err, entry.MetadataSHA256)
	}
	if page := p.read("simple/cu129/torch2.8/index.html"); !strings.Contains(page, `<a href="sageattention/">sageattention</a>`) {
		t.Errorf("channel page:\n%s", page)
	}
}

func TestBuildWritesPEP691(t *testing.T) {
	p := newPlace(t, of280())
	entry := p.build().Wheels[0]
	var page projectJSON
	must(t, json.Unmarshal([]byte(p.read(project280+"index.json")), &page))
	if page.Meta.APIVersion != "1.3" || page.Name != "sageattention" || len(page.Versions) != 1 || len(page.Files) != 1 {
		t.Fatalf("page %+v", page)
	}
	file := page.Files[0]
	if file.URL != entry.Filename || file.Hashes["sha256"] != entry.SHA256 || file.Size != entry.Size ||
		file.RequiresPython != ">=3.12,<3.13" || file.CoreMetadata["sha256"] != entry.MetadataSHA256 {
		t.Errorf("file %+v", file)
	}
	var channel channelJSON
	must(t, json.Unmarshal([]byte(p.read("simple/cu129/torch2.8/index.json")), &channel))
	if len(channel.Projects) != 1 || channel.Projects[0].Name != "sageattention" {
		t.Errorf("channel %+v", channel)
	}
}

// Every line of SHA256SUMS is true, and every file has a line.
func checkSums(t testing.TB, site string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(site, sums.File))
	must(t, err)
	if !sumsMatch(t, site, string(text)) {
		t.Errorf("%s is\n%s\nthe files are\n%s", sums.File, text, tree(t, site))
	}
}

func sumsMatch(t testing.TB, site, text string) bool {
	t.Helper()
	want := ""
	for line := range strings.Lines(tree(t, site)) {
		if !strings.HasSuffix(line, "  "+sums.File+"\n") {
			want += line
		}
	}
	sorted := func(text string) string { return strings.Join(sortedLines(text), "\n") }
	return sorted(text) == sorted(want)
}

func TestSumsCoverTheSite(t *testing.T) {
	p := newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
	p.build()
	checkSums(t, p.site)
}

func TestSameWheelsGiveTheSameSite(t *testing.T) {
	a := newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
	b := newPlace(t, cellOf("270.128", "2.7", "312"), of280())
	a.build()
	b.build()
	first := tree(t, a.site)
	if first != tree(t, b.site) {
		t.Errorf("sites differ:\n%s\n%s", first, tree(t, b.site))
	}
	if result := a.build(); result.Kept != 2 || len(result.Added)+len(result.Changed)+len(result.Removed) > 0 {
		t.Errorf("second run: %+v", result)
	}
	if tree(t, a.site) != first {
		t.Error("the second run changed the site")
	}
}

func TestUnchangedWheelsAreShared(t *testing.T) {
	p := newPlace(t, of280())
	file := filepath.Join(p.site, p.build().Wheels[0].Path())
	before, err := os.Stat(file)
	must(t, err)
	p.build()
	after, err := os.Stat(file)
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("the wheel was copied again")
	}
}

func TestShrinkAndChangeNeedLeave(t *testing.T) {
	p := newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
	p.build()
	must(t, os.Remove(filepath.Join(p.dist, of280().name())))
	p.refuses(p.options(), "has wheels that")
	changed := cellOf("270.128", "2.7", "312")
	changed.text = "other"
	changed.write(t, p.dist)
	shrink, replace := p.options(), p.options()
	shrink.AllowShrink, replace.Replace = true, true
	p.refuses(shrink, "other bytes under the names of "+changed.name())
	p.refuses(replace, "lacks: "+of280().name())
	both := shrink
	both.Replace = true
	result, err := Build(t.Context(), both)
	must(t, err)
	if len(result.Changed) != 1 || len(result.Removed) != 1 {
		t.Errorf("result %+v", result)
	}
	if _, err := os.Stat(filepath.Join(p.site, "simple/cu129")); err == nil {
		t.Error("the index of the removed wheel is still there")
	}
	checkSums(t, p.site)
}

func TestRefusedWheels(t *testing.T) {
	bad := func(change func(*sample)) sample {
		s := of280()
		change(&s)
		return s
	}
	for _, test := range []struct {
		name, want string
		wheel      sample
	}{
		{"damaged", "record-hash", bad(func(s *sample) { s.badRecord = true })},
		{"torch free", "wants Requires-Dist: torch==2.8.* in METADATA", bad(func(s *sample) { s.requires = "" })},
		{"torch of another release", "wants Requires-Dist: torch==2.8.*", bad(func(s *sample) { s.requires = "torch==2.7.*" })},
		{"torch with a marker", "wants Requires-Dist", bad(func(s *sample) { s.requires = `torch==2.8.*; python_version<"3"` })},
		{"a build tag of others", "names no torch and CUDA", bad(func(s *sample) { s.build = "1" })},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, test.wheel)
			must(t, os.MkdirAll(filepath.Dir(p.site), 0o755))
			p.refuses(p.options(), test.want)
			if _, err := Build(t.Context(), p.options()); !errors.Is(err, diag.Mismatch) {
				t.Errorf("class of %v", err)
			}
		})
	}
}

// Renaming is how wheels get a wrong build tag.
func TestRenamedWheelIsRefused(t *testing.T) {
	p := newPlace(t)
	file := of280().write(t, p.dist)
	must(t, os.Rename(file, filepath.Join(p.dist, cellOf("281.129", "2.8", "312").name())))
	must(t, os.MkdirAll(filepath.Dir(p.site), 0o755))
	p.refuses(p.options(), "wheel-build")
}

func TestConflictsNameBoth(t *testing.T) {
	manylinux := of280()
	manylinux.tag = "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
	patch := of280()
	patch.build = "281.129"
	newer := of280()
	newer.version = "2.2.1"
	universal := sample{version: "2.2.0", tag: "py3-none-linux_x86_64", requires: "torch>=2.4", python: ">=3.9"}
	for _, test := range []struct {
		name     string
		other    sample
		conflict bool
	}{
		{"another patch of torch", patch, true},
		{"another platform tag of the same machine", manylinux, true},
		{"another Python", cellOf("280.129", "2.8", "311"), false},
		{"another CUDA", cellOf("280.128", "2.8", "312"), false},
		{"another version", newer, false},
		{"the wheel for any torch", universal, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, of280(), test.other)
			_, err := Build(t.Context(), p.options())
			if !test.conflict {
				must(t, err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), of280().name()) || !strings.Contains(err.Error(), test.other.name()) {
				t.Errorf("error is %v, want both names", err)
			}
		})
	}
}

func TestForeignDirectoryStays(t *testing.T) {
	p := newPlace(t, of280())
	must(t, writeFile(filepath.Join(p.site, "thesis.tex"), []byte("years of work")))
	p.refuses(p.options(), "is no site of sagebuild")
}

func TestEmptyDirectoryIsTaken(t *testing.T) {
	p := newPlace(t, of280())
	must(t, os.MkdirAll(p.site, 0o755))
	p.build()
	checkSums(t, p.site)
}

func TestLinkToTheSiteStays(t *testing.T) {
	p := newPlace(t, of280())
	p.build()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(p.site, link))
	cellOf("270.128", "2.7", "312").write(t, p.dist)
	_, err := Build(t.Context(), Options{Dist: p.dist, Output: link})
	must(t, err)
	if target, err := os.Readlink(link); err != nil || target != p.site {
		t.Errorf("link to %q, %v", target, err)
	}
	checkSums(t, p.site)
	p.read("simple/cu128/torch2.7/index.html")
}

func TestFilesOfOthersAreKept(t *testing.T) {
	p := newPlace(t, of280())
	p.build()
	must(t, writeFile(filepath.Join(p.site, ".well-known", "note.txt"), []byte("hello")))
	must(t, os.WriteFile(filepath.Join(p.site, "index.html"), []byte("ours is written anew"), 0o644))
	p.build()
	if got := p.read(".well-known/note.txt"); got != "hello" {
		t.Errorf("note.txt is %q", got)
	}
	if !strings.Contains(p.read("index.html"), "Which wheel") {
		t.Error("index.html was not written")
	}
}

func TestDamagedSiteIsMended(t *testing.T) {
	p := newPlace(t, of280())
	entry := p.build().Wheels[0]
	must(t, os.WriteFile(filepath.Join(p.site, entry.Path()), []byte("cut"), 0o644))
	p.build()
	checkSums(t, p.site)
	if sum, err := digest.File(filepath.Join(p.site, entry.Path())); err != nil || sum != entry.SHA256 {
		t.Errorf("hash %s, %v", sum, err)
	}
}

func TestOneAtATime(t *testing.T) {
	p := newPlace(t, of280())
	other, err := newSwap(p.site)
	must(t, err)
	_, err = Build(t.Context(), p.options())
	if !errors.Is(err, diag.Environment) {
		t.Errorf("error %v", err)
	}
	other.close()
	p.build()
}

func TestNoWheels(t *testing.T) {
	p := newPlace(t)
	must(t, os.MkdirAll(filepath.Dir(p.site), 0o755))
	p.refuses(p.options(), "no wheels in")
}

func TestHumanPageLoadsNothing(t *testing.T) {
	universal := sample{version: "2.2.0", tag: "py3-none-any", requires: "torch>=2.4"}
	p := newPlace(t, of280(), universal)
	p.build()
	page := p.read("index.html")
	for _, want := range []string{"simple/cu129/torch2.8/", "pip install --index-url", "uv pip install --default-index", `"torch":"\u003e= 2.4"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if found := regexp.MustCompile(`https?:|<link|src=|@import|\burl\(`).FindString(page); found != "" {
		t.Errorf("the page refers to something: %q", found)
	}
}
