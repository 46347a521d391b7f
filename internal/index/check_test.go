package index

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// installers are the real ones of this machine; the test is skipped where there is none of the names.
func installers(t *testing.T, names ...string) []Installer {
	t.Helper()
	found, missing := FindInstallers(t.Context())
	found = slices.DeleteFunc(found, func(i Installer) bool { return !slices.Contains(names, i.Name) })
	for _, m := range missing {
		t.Logf("not tested with %s: %s", m.Name, m.Reason)
	}
	if len(found) == 0 {
		t.Skipf("none of %s is here: %v", strings.Join(names, ", "), missing)
	}
	return found
}

func TestCheckWithRealInstallers(t *testing.T) {
	p := newPlace(t, of280(), cellOf("270.128", "2.7", "312"), cellOf("270.128", "2.7", "39"))
	p.build()
	found := installers(t, "pip", "uv")
	proofs, err := Check(t.Context(), p.site, found)
	must(t, err)
	if len(proofs) != 3*2*len(found) {
		t.Errorf("%d proofs", len(proofs))
	}
	for _, proof := range proofs {
		if proof.Problem != "" || !strings.HasPrefix(proof.Torch, "2.") {
			t.Errorf("%s with %s, %s: torch %s, %s", proof.Wheel, proof.Installer.Name, proof.Page, proof.Torch, proof.Problem)
		}
	}
}

// The check is worth something only if it finds an index that leads astray.
func TestCheckFindsWrongIndexes(t *testing.T) {
	found := installers(t, "pip", "uv")
	for name, spoil := range map[string]func(place, Entry){
		"another wheel beside it": func(p place, e Entry) {
			other := of280()
			other.build, other.text = "299.129", "another"
			other.write(p, filepath.Join(p.site, e.Dir()))
			p.link(e, other.name())
		},
		"another wheel under its name": func(p place, e Entry) {
			other := of280()
			other.text = "another"
			other.write(p, filepath.Join(p.site, e.Dir()))
			p.link(e)
		},
		"a wheel that lets torch go": func(p place, e Entry) {
			free := of280()
			free.requires = "torch"
			free.write(p, filepath.Join(p.site, e.Dir()))
			p.link(e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, of280())
			spoil(p, p.build().Wheels[0])
			proofs, err := Check(t.Context(), p.site, found)
			must(t, err)
			for _, proof := range proofs {
				if proof.Problem == "" {
					t.Errorf("%s with %s is accepted", proof.Page, proof.Installer.Name)
				}
			}
		})
	}
}

// link replaces both pages of a project by one without hashes that names the entry's wheel and others.
func (p place) link(e Entry, others ...string) {
	html, files := "", []string{}
	for _, name := range append(others, e.Filename) {
		html += fmt.Sprintf("<a href=%q>%s</a>\n", name, name)
		files = append(files, fmt.Sprintf(`{"filename": %q, "url": %q, "hashes": {}}`, name, name))
	}
	json := fmt.Sprintf(`{"meta": {"api-version": "1.0"}, "name": %q, "files": [%s]}`, e.Project, strings.Join(files, ","))
	must(p, os.WriteFile(filepath.Join(p.site, e.Dir(), "index.html"), []byte(html), 0o644))
	must(p, os.WriteFile(filepath.Join(p.site, e.Dir(), "index.json"), []byte(json), 0o644))
	must(p, os.RemoveAll(filepath.Join(p.site, e.Path()+".metadata")))
}

// flat downloads from one directory with wheels for several torches, as people have it in dist/.
func flat(t *testing.T, pip Installer, dist string, arguments ...string) (wheels []string, said string, err error) {
	t.Helper()
	to := t.TempDir()
	all := append([]string{"download", "--isolated", "--disable-pip-version-check", "--no-input", "--no-index", "--find-links", dist, "--dest", to,
		"--python-version", "3.12", "--platform", "linux_x86_64", "--only-binary", ":all:", "sageattention"}, arguments...)
	cmd := exec.Command(pip.command[0], append(slices.Clone(pip.command[1:]), all...)...)
	cmd.Env = cleanEnvironment()
	out, err := cmd.CombinedOutput()
	files, _ := filepath.Glob(filepath.Join(to, "*.whl"))
	for _, file := range files {
		wheels = append(wheels, filepath.Base(file))
	}
	return wheels, string(out), err
}

// The trap that the indexes exist for: pip keeps one candidate for each version and prefers the largest build tag.
func TestFlatDirectoryTrap(t *testing.T) {
	pip := installers(t, "pip")[0]
	p := newPlace(t, cellOf("260.126", "2.6", "312"), cellOf("270.128", "2.7", "312"), of280())
	must(t, writeStubs(p.dist, "torch", []string{"2.6.0", "2.7.0", "2.8.0"}))
	stubs, err := filepath.Glob(filepath.Join(p.dist, "torch", "*.whl"))
	must(t, err)
	for _, stub := range stubs {
		must(t, os.Rename(stub, filepath.Join(p.dist, filepath.Base(stub))))
	}
	wheels, said, err := flat(t, pip, p.dist, "--no-deps")
	if err != nil || !slices.Equal(wheels, []string{of280().name()}) {
		t.Errorf("without dependencies: %v, %v\n%s", wheels, err, said)
	}
	wheels, said, err = flat(t, pip, p.dist)
	if err != nil || !slices.Equal(wheels, []string{of280().name(), "torch-2.8.0-py3-none-any.whl"}) {
		t.Errorf("torch is free: %v, %v\n%s", wheels, err, said)
	}
	wheels, said, err = flat(t, pip, p.dist, "torch==2.7.0")
	if err == nil || !strings.Contains(said, "ResolutionImpossible") {
		t.Errorf("torch 2.7.0: %v, %v\n%s", wheels, err, said)
	}
}

func TestServerNegotiates(t *testing.T) {
	p := newPlace(t, of280())
	p.build()
	server, err := Serve(p.site, t.TempDir())
	must(t, err)
	defer server.Close()
	for _, test := range []struct{ path, accept, kind string }{
		{"/html/r/" + project280, jsonType, "text/html; charset=utf-8"},
		{"/json/r/" + project280, jsonType + ", text/html;q=0.1", jsonType},
		{"/json/r/" + project280, "text/html", "text/html; charset=utf-8"},
	} {
		request, err := http.NewRequest(http.MethodGet, server.URL+test.path, nil)
		must(t, err)
		request.Header.Set("Accept", test.accept)
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if got := response.Header.Get("Content-Type"); got != test.kind || response.StatusCode != http.StatusOK {
			t.Errorf("%s with %s: %s, %s", test.path, test.accept, response.Status, got)
		}
	}
}
