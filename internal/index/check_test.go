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

// installers are the real installers of this machine; the test is skipped where the machine has none of these names.
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
	universal := sample{version: "2.2.0", tag: "py3-none-manylinux_2_17_x86_64", requires: "torch>=2.4", python: ">=3.9"}
	p := newPlace(t, of280(), cellOf("270.128", "2.7", "39"), universal)
	p.build()
	found := installers(t, "pip", "uv")
	proofs, err := Check(t.Context(), p.site, found)
	must(t, err)
	if len(proofs) != 3*2*len(found) {
		t.Errorf("%d proofs", len(proofs))
	}
	for _, proof := range proofs {
		if proof.Problem != "" || proof.Torch == "" {
			t.Errorf("%s with %s, %s: torch %s, %s", proof.Wheel, proof.Installer.Name, proof.Page, proof.Torch, proof.Problem)
		}
	}
}

// The check is worth something only if the check finds an index that leads astray.
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

// flat lets an installer choose from one directory with wheels for several torches, such as people have in dist/.
// wheel is the build tag that the installer took, torch the version of torch.
func flat(t *testing.T, installer Installer, dist string, requirements ...string) (build, torch string, err error) {
	t.Helper()
	target := t.TempDir()
	arguments := []string{"--no-index", "--find-links", dist, "--python-version", "3.12", "--only-binary", ":all:", "sageattention"}
	if installer.Name == "pip" {
		arguments = append([]string{"download", "--isolated", "--disable-pip-version-check", "--dest", target, "--platform", "linux_x86_64"}, arguments...)
	} else {
		arguments = append([]string{"pip", "install", "--no-config", "--no-cache", "--no-python-downloads", "--target", target,
			"--python-platform", "x86_64-unknown-linux-gnu"}, arguments...)
	}
	said, err := runInstaller(installer, nil, append(arguments, requirements...)...)
	if err != nil {
		return "", "", fmt.Errorf("%w: %s", err, said)
	}
	p := Proof{}
	_ = p.checkTorch(target) // only the version that checkTorch notes matters here
	return buildTagIn(t, target), p.Torch, nil
}

func runInstaller(installer Installer, env []string, arguments ...string) (string, error) {
	cmd := exec.Command(installer.command[0], append(slices.Clone(installer.command[1:]), arguments...)...)
	cmd.Env = append(cleanEnvironment(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// buildTagIn finds the build tag of the wheel that was stored or unpacked.
func buildTagIn(t *testing.T, target string) string {
	t.Helper()
	if files, _ := filepath.Glob(filepath.Join(target, "sageattention-*.whl")); len(files) == 1 {
		return strings.Split(filepath.Base(files[0]), "-")[2]
	}
	text, err := os.ReadFile(filepath.Join(target, "sageattention-2.2.0.dist-info", "WHEEL"))
	must(t, err)
	_, build, _ := strings.Cut(string(text), "Build: ")
	return strings.TrimSpace(build)
}

// The indexes exist because of this trap: an installer keeps one candidate for each version and prefers the largest
// build tag, whatever torch the tag names.
func TestFlatDirectoryTrap(t *testing.T) {
	p := newPlace(t, cellOf("260.126", "2.6", "312"), cellOf("270.128", "2.7", "312"), of280())
	must(t, writeStubs(p.dist, "torch", []string{"2.6.0", "2.7.0", "2.8.0"}))
	stubs, err := filepath.Glob(filepath.Join(p.dist, "torch", "*.whl"))
	must(t, err)
	for _, stub := range stubs {
		must(t, os.Rename(stub, filepath.Join(p.dist, filepath.Base(stub))))
	}
	for _, installer := range installers(t, "pip", "uv") {
		t.Run(installer.Name, func(t *testing.T) {
			if build, _, err := flat(t, installer, p.dist, "--no-deps"); err != nil || build != "280.129" {
				t.Errorf("without dependencies: %s, %v", build, err)
			}
			if build, torch, err := flat(t, installer, p.dist); err != nil || build != "280.129" || torch != "2.8.0" {
				t.Errorf("torch is free: %s with torch %s, %v", build, torch, err)
			}
			build, torch, err := flat(t, installer, p.dist, "torch==2.7.0")
			if err == nil || !strings.Contains(err.Error(), "ResolutionImpossible") && !strings.Contains(err.Error(), "No solution found") {
				t.Errorf("torch 2.7.0: %s with torch %s, %v", build, torch, err)
			}
		})
	}
}

// The command of the site and of resolve keeps the installed torch, or fails, because the index holds no torch.
func TestInstalledTorchStays(t *testing.T) {
	wheel := of280()
	wheel.tag, wheel.python = "py3-none-any", ">=3.8"
	p := newPlace(t, wheel)
	p.build()
	server, err := Serve(p.site, t.TempDir())
	must(t, err)
	defer server.Close()
	channel := server.URL + "/html/run/simple/cu129/torch2.8/"
	for _, installer := range installers(t, "pip", "uv") {
		for torch, want := range map[string]bool{"2.8.0": true, "2.7.0": false} {
			t.Run(installer.Name+" beside "+torch, func(t *testing.T) {
				environment := t.TempDir()
				info := filepath.Join(environment, "torch-"+torch+".dist-info")
				must(t, writeFile(filepath.Join(info, "METADATA"), []byte("Metadata-Version: 2.1\nName: torch\nVersion: "+torch+"\n")))
				must(t, writeFile(filepath.Join(info, "INSTALLER"), []byte("pip\n")))
				must(t, writeFile(filepath.Join(info, "RECORD"), nil))
				var said string
				var err error
				if installer.Name == "pip" {
					// Debian's pip would refuse to install even nothing. Versions that know no such refusal ignore the variable.
					env := []string{"PYTHONPATH=" + environment, "PIP_BREAK_SYSTEM_PACKAGES=1"}
					said, err = runInstaller(installer, env, "install", "--disable-pip-version-check",
						"--no-cache-dir", "--dry-run", "--index-url", channel, "sageattention==2.2.0")
				} else {
					said, err = runInstaller(installer, nil, "pip", "install", "--no-config", "--no-cache", "--no-python-downloads", "--dry-run",
						"--target", environment, "--default-index", channel, "sageattention==2.2.0")
				}
				changes := strings.Contains(said, "+ torch") || strings.Contains(said, "Would install sageattention-2.2.0 torch")
				if (err == nil) != want || changes || !strings.Contains(said, "sageattention") {
					t.Errorf("%v: %s", err, said)
				}
			})
		}
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
