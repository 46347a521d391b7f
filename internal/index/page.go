package index

import (
	_ "embed"
	"html/template"
	"strings"
)

//go:embed page.html
var pageText string

// The page asks three questions and needs no other file: nothing is loaded from anywhere.
var page = template.Must(template.New("page").Parse(pageText))

// choice is a wheel as the page's script sees it.
type choice struct {
	Project  string `json:"project"`
	Version  string `json:"version"`
	Torch    string `json:"torch"`
	CUDA     string `json:"cuda"`
	Python   string `json:"python"`
	Platform string `json:"platform"`
	Index    string `json:"index"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	SMs      string `json:"sms"`
}

const anyTorch = "any"

func humanPage(entries []Entry) ([]byte, error) {
	choices := make([]choice, len(entries))
	for i, entry := range entries {
		choices[i] = choice{
			Project: entry.Project, Version: entry.Version, Torch: anyTorch, CUDA: anyTorch, Python: entry.python(),
			Platform: strings.Join(entry.names.Platform, ", "), Index: entry.Channel.Dir() + "/", Path: entry.Path(),
			Size: entry.Size, SMs: entry.smsText(),
		}
		if !entry.Channel.IsUniversal() {
			choices[i].Torch, choices[i].CUDA = entry.Channel.Torch.Minor().String(), entry.Channel.CUDA.String()
		}
	}
	return execute(page, choices)
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
