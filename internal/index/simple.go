package index

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/url"
	"path"
	"slices"
	"strings"
)

// apiVersion is the version of the simple API: 1.1 (PEP 700) adds versions and sizes, 1.3 (PEP 740) provenance.
const apiVersion = "1.3"

var projectPage = template.Must(template.New("project").Parse(`<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.3"><title>Links for {{.Project}}</title></head>
<body>
<h1>Links for {{.Project}}</h1>
{{range .Wheels}}<a href="{{.URL}}#sha256={{.SHA256}}"{{with .RequiresPython}} data-requires-python="{{.}}"{{end}}{{with .MetadataSHA256}} data-core-metadata="sha256={{.}}" data-dist-info-metadata="sha256={{.}}"{{end}}{{with .Provenance}} data-provenance="{{.}}"{{end}}>{{.Filename}}</a><br>
{{end}}</body>
</html>
`))

var channelPage = template.Must(template.New("channel").Parse(`<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="pypi:repository-version" content="1.3"><title>Simple index</title></head>
<body>
{{range .}}<a href="{{.}}/">{{.}}</a><br>
{{end}}</body>
</html>
`))

// linkedEntry is an entry as one page links it.
type linkedEntry struct {
	Entry
	URL        string // relative to the page
	Provenance string // whole, "" if there is none
}

// projectFiles is a project's page in the index at dir of a site at the address site, which may be unknown.
type projectFiles struct {
	Project string
	Wheels  []linkedEntry
}

func newProjectFiles(dir, site, project string, entries []Entry) projectFiles {
	p := projectFiles{Project: project, Wheels: make([]linkedEntry, len(entries))}
	for i, entry := range entries {
		// A version such as 2.2.0+cu129 has a plus sign, which some servers read as a blank.
		name := url.PathEscape(entry.Filename)
		p.Wheels[i] = linkedEntry{Entry: entry, URL: name}
		if dir != entry.Channel.Dir() {
			p.Wheels[i].URL = "../" + strings.TrimPrefix(entry.Dir(), RootDir+"/") + "/" + name
		}
		if entry.ProvenanceSHA256 != "" {
			p.Wheels[i].Provenance = strings.TrimSuffix(site, "/") + "/" + path.Join(entry.Dir(), name) + ".provenance"
		}
	}
	return p
}

// html is the page of PEP 503 with the attributes of PEP 658, PEP 714 and PEP 740.
func (p projectFiles) html() ([]byte, error) { return execute(projectPage, p) }

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
	CoreMetadata map[string]string `json:"core-metadata,omitempty"`
	Provenance   string            `json:"provenance,omitempty"`
	Yanked       bool              `json:"yanked"`
}

// json is the same page as PEP 691 has it.
func (p projectFiles) json() ([]byte, error) {
	page := projectJSON{Meta: metaJSON{apiVersion}, Name: p.Project}
	for _, entry := range p.Wheels {
		page.Versions = append(page.Versions, entry.Version)
		file := fileJSON{
			Filename: entry.Filename, URL: entry.URL, Hashes: map[string]string{"sha256": entry.SHA256},
			RequiresPython: entry.RequiresPython, Size: entry.Size, Provenance: entry.Provenance,
		}
		if entry.MetadataSHA256 != "" {
			file.CoreMetadata = map[string]string{"sha256": entry.MetadataSHA256}
		}
		page.Files = append(page.Files, file)
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
