package hub

import (
	_ "embed"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed README.md.tmpl
var readme string

var readmePage = template.Must(template.New("README.md").Funcs(template.FuncMap{"join": strings.Join}).Parse(readme))

// writePages writes what people read: the page that the Hub shows, and the licence.
func writePages(dir string, sources []*source, result *Result) error {
	var page strings.Builder
	if err := readmePage.Execute(&page, result); err != nil {
		return err
	}
	if _, err := writeFile(filepath.Join(dir, "README.md"), []byte(page.String())); err != nil {
		return err
	}
	first := sources[0]
	for _, member := range first.wheel.Members {
		if name, ok := strings.CutPrefix(member.Name, first.wheel.DistInfo+"/licenses/"); ok {
			if _, err := first.extract(member, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
				return err
			}
		}
	}
	return nil
}
