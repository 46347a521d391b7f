package index

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/matrixtest"
)

// pageState is what a person sees.
type pageState struct {
	Pip, Uv, File, Answer string
	Offers                map[string][]string // by question, of those that are shown
	Values                map[string]string
	Overflow              int // pixels beyond the right edge
}

const readPage = `(() => {
	const text = id => document.getElementById(id).textContent;
	const shown = [...document.querySelectorAll("select")].filter(s => s.getClientRects().length > 0);
	return {
		pip: text("pip"), uv: text("uv"), file: text("file"), answer: document.getElementById("answer").innerText,
		offers: Object.fromEntries(shown.map(s => [s.id, [...s.options].map(o => o.text)])),
		values: Object.fromEntries(shown.map(s => [s.id, s.value])),
		overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
	};
})()`

func (b *browser) state() (s pageState) {
	b.Helper()
	b.run(readPage, &s)
	return s
}

// servedSite publishes wheels of each kind and serves them.
func servedSite(t *testing.T) (place, string) {
	t.Helper()
	newer := of280()
	newer.version = "2.10.0"
	windows := cellOf("280.129", "2.8", "312")
	windows.tag = "cp312-cp312-win_amd64"
	p := newPlace(t, of280(), newer, windows, cellOf("280.129", "2.8", "39"), cellOf("280.128", "2.8", "312"), cellOf("2100.130", "2.10", "314"))
	for _, platform := range []string{"linux_x86_64", "linux_aarch64", "win_amd64"} {
		sample{version: "2.10.0", tag: "py3-none-" + platform, requires: "torch>=2.4", python: ">=3.9"}.write(t, p.dist)
	}
	options := p.options()
	options.Matrix, _ = matrixtest.Definition(t, "../..")
	_, err := Build(t.Context(), options)
	must(t, err)
	server := httptest.NewServer(http.FileServer(http.Dir(p.site)))
	t.Cleanup(server.Close)
	return p, server.URL + "/"
}

// A person clicks through the page: from the first answer to a cell, and to another platform.
func TestPageInABrowser(t *testing.T) {
	b := newBrowser(t, 1280, 900)
	_, url := servedSite(t)
	b.call("Browser.grantPermissions", map[string]any{"permissions": []string{"clipboardReadWrite", "clipboardSanitizedWrite"}, "origin": strings.TrimSuffix(url, "/")}, nil)
	b.open(url)
	first := b.state()
	if first.Pip != "pip install --index-url "+url+"simple/ sageattention==2.10.0" || first.Values["torch"] != ">= 2.4" || first.Values["python"] != ">= 3.9" {
		t.Errorf("at first: %+v", first)
	}
	if first.Values["platform"] != "Linux x86-64" || !slices.Equal(first.Offers["platform"], []string{"Linux x86-64", "Linux Arm", "Windows x86-64"}) {
		t.Errorf("platforms: %v", first.Offers["platform"])
	}
	b.screenshot("wide")
	b.click("button[data-copies=pip]")
	var copied string
	b.run("navigator.clipboard.readText()", &copied)
	if copied != first.Pip {
		t.Errorf("copied %q, want %q", copied, first.Pip)
	}
	b.choose("torch", "2.8")
	if s := b.state(); fmt.Sprint(s.Offers["cuda"], s.Offers["python"]) != "[12.9 12.8] [3.12 3.9]" ||
		s.Uv != "uv pip install --default-index "+url+"simple/cu129/torch2.8/ sageattention==2.10.0" {
		t.Errorf("torch 2.8: %+v", s)
	}
	b.choose("cuda", "12.8")
	if s := b.state(); !strings.Contains(s.File, "280.128-cp312") || !slices.Equal(s.Offers["python"], []string{"3.12"}) {
		t.Errorf("CUDA 12.8: %+v", s)
	}
	b.choose("platform", "Windows x86-64")
	if s := b.state(); !strings.HasSuffix(s.File, "cp312-win_amd64.whl") || s.Values["torch"] != "2.8" {
		t.Errorf("Windows: %+v", s)
	}
	b.choose("gpu", "RTX 40, L40, L4")
	if s := b.state(); s.File == "" || s.Values["gpu"] != "RTX 40, L40, L4" {
		t.Errorf("a GPU: %+v", s)
	}
}

// Every visitor sees the own platform first.
func TestPageKnowsTheVisitor(t *testing.T) {
	b := newBrowser(t, 1280, 900)
	_, url := servedSite(t)
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36": "Windows x86-64",
		"Mozilla/5.0 (X11; Linux aarch64) AppleWebKit/537.36":          "Linux Arm",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101":     "Linux x86-64",
	} {
		b.call("Emulation.setUserAgentOverride", map[string]any{"userAgent": agent}, nil)
		b.open(url + "?" + fmt.Sprint(len(agent)))
		if s := b.state(); s.Values["platform"] != want {
			t.Errorf("%s: %+v", agent, s)
		}
	}
}

// Nothing is wider than the smallest telephone.
func TestPageOnATelephone(t *testing.T) {
	b := newBrowser(t, 360, 740)
	_, url := servedSite(t)
	b.open(url)
	s := b.state()
	if s.Overflow > 0 || !strings.Contains(s.Answer, "Copy") || s.Pip == "" {
		t.Errorf("at 360 pixels: %+v", s)
	}
	b.screenshot("narrow")
}

// What the page says is decided before any script runs.
func TestPageWords(t *testing.T) {
	wheel := func(s sample) choice {
		e, err := Inspect(s.write(t, t.TempDir()))
		must(t, err)
		return e.choice(nil)
	}
	universal := wheel(sample{version: "2.2.0", tag: "py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64", requires: "torch>=2.4", python: ">=3.9"})
	if universal.Torch != ">= 2.4" || universal.Python != ">= 3.9" || universal.Platform != "Linux x86-64" || universal.Index != "simple/" || universal.CUDA != "" {
		t.Errorf("a universal wheel: %+v", universal)
	}
	cell := wheel(of280())
	if cell.Torch != "2.8" || cell.Python != "3.12" || cell.Platform != "Linux x86-64" || cell.Index != "simple/cu129/torch2.8/" || cell.CUDA != "12.9" {
		t.Errorf("a cell: %+v", cell)
	}
	for tag, want := range map[string]string{"macosx_12_0_arm64": "macOS Arm", "win_arm64": "Windows Arm", "linux_riscv64": "Linux riscv64"} {
		if got := wheel(sample{version: "1.0", tag: "py3-none-" + tag}).Platform; got != want {
			t.Errorf("%s is %q, want %q", tag, got, want)
		}
	}
}
