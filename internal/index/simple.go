package index

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/url"
	"slices"
)

// apiVersion is the version of the simple API: 1.1 (PEP 700) adds versions and sizes.
const apiVersion = "1.1"

var projectPage = template.Must(template.New("project").Parse(`<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.1"><title>Links for {{.Project}}</title></head>
<body>
<h1>Links for {{.Project}}</h1>
{{range .Wheels}}<a href="{{.URL}}#sha256={{.SHA256}}"{{with .RequiresPython}} data-requires-python="{{.}}"{{end}} data-core-metadata="sha256={{.MetadataSHA256}}" data-dist-info-metadata="sha256={{.MetadataSHA256}}">{{.Filename}}</a><br>
{{end}}</body>
</html>
`))

var channelPage = template.Must(template.New("channel").Parse(`<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.1"><title>Simple index</title></head>
<body>
{{range .}}<a href="{{.}}/">{{.}}</a><br>
{{end}}</body>
</html>
`))

type linkedEntry struct {
	Entry
	URL string
}

func linked(entries []Entry) []linkedEntry {
	all := make([]linkedEntry, len(entries))
	for i, entry := range entries {
		// A version such as 2.2.0+cu129 has a plus sign, which some servers read as a blank.
		all[i] = linkedEntry{entry, url.PathEscape(entry.Filename)}
	}
	return all
}

// projectHTML is the page of PEP 503 with the attributes of PEP 658 and PEP 714.
func projectHTML(project string, entries []Entry) ([]byte, error) {
	return execute(projectPage, struct {
		Project string
		Wheels  []linkedEntry
	}{project, linked(entries)})
}

func channelHTML(projects []string) ([]byte, error) { return execute(channelPage, projects) }

func execute(page *template.Template, data any) ([]byte, error) {
	var text bytes.Buffer
	err := page.Execute(&text, data)
	return text.Bytes(), err
}

type metaJSON struct {
	APIVersion string `json:"api-version"`
}

type projectJSON struct {
	Meta     metaJSON   `json:"meta"`
	Name     string     `json:"name"`
	Versions []string   `json:"versions"`
	Files    []fileJSON `json:"files"`
}

type fileJSON struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python,omitempty"`
	Size           int64             `json:"size"`
	// CoreMetadata is PEP 714's key alone: it replaced dist-info-metadata because released clients misread that in JSON.
	CoreMetadata map[string]string `json:"core-metadata"`
	Yanked       bool              `json:"yanked"`
}

// projectPEP691 is the same page as JSON.
func projectPEP691(project string, entries []Entry) ([]byte, error) {
	page := projectJSON{Meta: metaJSON{apiVersion}, Name: project}
	for _, entry := range linked(entries) {
		page.Versions = append(page.Versions, entry.Version)
		page.Files = append(page.Files, fileJSON{
			Filename: entry.Filename, URL: entry.URL, Hashes: map[string]string{"sha256": entry.SHA256},
			RequiresPython: entry.RequiresPython, Size: entry.Size,
			CoreMetadata: map[string]string{"sha256": entry.MetadataSHA256},
		})
	}
	slices.Sort(page.Versions)
	page.Versions = slices.Compact(page.Versions)
	return indented(page)
}

type namedJSON struct {
	Name string `json:"name"`
}

type channelJSON struct {
	Meta     metaJSON    `json:"meta"`
	Projects []namedJSON `json:"projects"`
}

func channelPEP691(projects []string) ([]byte, error) {
	page := channelJSON{Meta: metaJSON{apiVersion}}
	for _, project := range projects {
		page.Projects = append(page.Projects, namedJSON{project})
	}
	return indented(page)
}

func indented(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return text.Bytes(), err
}
