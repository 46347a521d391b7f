package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// thirdPartyFile is the file with the licences of what is linked into the binary.
const thirdPartyFile = "THIRD-PARTY-LICENSES.txt"

// licenseFile matches what modules call their licences.
var licenseFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([.-].*)?$`)

// thirdParty is the licences of Go and of every module that the binary of a target is linked from, each text once. All
// of them ask that a binary is passed on with them.
func thirdParty(t target) (string, error) {
	modules, err := linked(t)
	if err != nil {
		return "", err
	}
	users := map[string][]string{} // by text
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		texts, err := licensesIn(modules[name])
		if err != nil {
			return "", err
		}
		if len(texts) == 0 {
			return "", fmt.Errorf("module %s has no licence in %s", name, modules[name])
		}
		for _, text := range texts {
			users[text] = append(users[text], name)
		}
	}
	return render(users), nil
}

// linked maps modules with their versions to their directories, Go's own among them.
func linked(t target) (map[string]string, error) {
	root, err := goRun(t, "env", "GOROOT", "GOVERSION")
	if err != nil {
		return nil, err
	}
	dir, version, _ := strings.Cut(strings.TrimSpace(root), "\n")
	modules := map[string]string{"Go " + version: dir}
	out, err := goRun(t, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", command)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		if name, dir, found := strings.Cut(strings.TrimSpace(line), "\t"); found {
			modules[name] = dir
		}
	}
	return modules, nil
}

func licensesIn(dir string) (texts []string, err error) {
	files, err := os.ReadDir(dir)
	for _, file := range files {
		if file.IsDir() || !licenseFile.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return texts, err
}

// render writes each text after the modules that it is for, in the order of the first of them.
func render(users map[string][]string) string {
	texts := slices.SortedFunc(maps.Keys(users), func(a, b string) int {
		return strings.Compare(users[a][0]+"\x00"+a, users[b][0]+"\x00"+b)
	})
	var out strings.Builder
	out.WriteString("The sagebuild binary is linked from these modules.\n")
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(users[text], "\n"), strings.TrimSpace(text))
	}
	return out.String()
}
