package index

import (
	_ "embed"
	"html/template"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/kernels"
	"github.com/sagebuild/sagebuild/matrix"
)

//go:embed page.html
var pageText string

// The page asks a few questions and needs no other file: nothing is loaded from anywhere.
var page = template.Must(template.New("page").Parse(pageText))

// pageData is what the page shows.
type pageData struct {
	Choices []choice
	GPUs    []gpuSeries // in the order of the definition
	Sdists  []choice
}

// choice is a wheel, or an sdist, in the words of people.
type choice struct {
	Project  string   `json:"project"`
	Version  string   `json:"version"`
	Torch    string   `json:"torch"` // 2.8, ">= 2.4", or "" of what needs no torch
	CUDA     string   `json:"cuda"`  // "" where no build tag says
	Python   string   `json:"python"`
	Platform string   `json:"platform"` // Linux x86-64
	Index    string   `json:"index"`
	Path     string   `json:"path"`
	Filename string   `json:"file"`
	Size     string   `json:"size"`
	SMs      string   `json:"sms"`
	GPUs     []string `json:"gpus"` // labels of the series that it runs on; empty if it has no device code
}

// gpuSeries are the GPUs of one compute capability.
type gpuSeries struct {
	Label string `json:"label"` // RTX 40, L40, L4
	sm    matrix.SM
}

func humanPage(entries []Entry, m *matrix.Matrix) ([]byte, error) {
	data := pageData{GPUs: gpusOf(m)}
	for _, entry := range entries {
		one := entry.choice(data.GPUs)
		if entry.IsSdist() {
			data.Sdists = append(data.Sdists, one)
		} else {
			data.Choices = append(data.Choices, one)
		}
	}
	return execute(page, data)
}

// gpusOf lists the series of a definition that have names.
func gpusOf(m *matrix.Matrix) []gpuSeries {
	var all []gpuSeries
	if m == nil {
		return all
	}
	for _, sm := range m.Capabilities() {
		if names := m.GPUs(sm); len(names) > 0 {
			all = append(all, gpuSeries{strings.Join(names, ", "), sm})
		}
	}
	return all
}

func (e Entry) choice(gpus []gpuSeries) choice {
	c := choice{
		Project: e.Project, Version: e.Version, Torch: e.torchText(), Python: e.pythonText(), Platform: e.platformText(),
		Index: e.Channel.Index() + "/", Path: e.Path(), Filename: e.Filename, Size: ui.Size(e.Size).String(), SMs: e.smsText(),
	}
	if !e.Channel.IsUniversal() {
		c.CUDA = e.Channel.CUDA.String()
	}
	images := e.images()
	for _, gpu := range gpus {
		if len(images) == 0 {
			break
		}
		if _, way := kernels.Load(images, gpu.sm); way != kernels.None {
			c.GPUs = append(c.GPUs, gpu.Label)
		}
	}
	return c
}

// torchText is the release of torch that the wheel is for, or what it requires of torch.
func (e Entry) torchText() string {
	if !e.Channel.IsUniversal() {
		return e.Channel.Torch.Minor().String()
	}
	specifier, _ := requirementOf("torch", e.RequiresDist)
	return spaced(specifier)
}

// pythonText is the Python that the tags name, or what the wheel of any Python requires.
func (e Entry) pythonText() string {
	if e.RequiresPython != "" && (e.IsSdist() || slices.ContainsFunc(e.names.Python, isAnyPython)) {
		return spaced(e.RequiresPython)
	}
	return e.python()
}

func isAnyPython(tag string) bool { return tag == "py3" }

// operator matches that of a version specifier.
var operator = regexp.MustCompile(`^[<>=!~]+`)

// spaced writes ">=2.4" as ">= 2.4".
func spaced(specifier string) string {
	return operator.ReplaceAllStringFunc(specifier, func(text string) string { return text + " " })
}

// Names of systems and processors as people write them.
var (
	systemNames    = map[string]string{"linux": "Linux", "windows": "Windows", "macos": "macOS"}
	processorNames = map[string]string{"x86_64": "x86-64", "aarch64": "Arm"}
)

// platformText is each platform of the tags in words, once: "Linux x86-64".
func (e Entry) platformText() string {
	var all []string
	for _, tag := range e.names.Platform {
		words := tag
		if p := wheel.ParsePlatform(tag); systemNames[p.System] != "" {
			words = systemNames[p.System] + " " + p.Machine
			if name := processorNames[p.Machine]; name != "" {
				words = systemNames[p.System] + " " + name
			}
		}
		if !slices.Contains(all, words) {
			all = append(all, words)
		}
	}
	return strings.Join(all, ", ")
}

// python is what the Python tags mean to people: 3.12, or 3 for py3.
func (e Entry) python() string {
	var all []string
	for _, tag := range e.names.Python {
		digits := strings.TrimLeft(tag, "abcdefghijklmnopqrstuvwxyz")
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		all = append(all, digits)
	}
	return strings.Join(all, ", ")
}
