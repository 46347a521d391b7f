package index

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Installer is a pip or a uv of this machine.
type Installer struct {
	Name    string `json:"name"` // pip or uv
	Version string `json:"version"`
	command []string
}

// Missing is an installer that this machine lacks, and why.
type Missing struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

var installerCommands = map[string][][]string{
	"pip": {{"pip"}, {"python3", "-m", "pip"}},
	"uv":  {{"uv"}, {"python3", "-m", "uv"}},
}

// FindInstallers looks for pip and uv, first on the path and then as modules of python3.
func FindInstallers(ctx context.Context) (found []Installer, missing []Missing) {
	for _, name := range []string{"pip", "uv"} {
		installer, reasons := findInstaller(ctx, name)
		if installer != nil {
			found = append(found, *installer)
		} else {
			missing = append(missing, Missing{name, strings.Join(reasons, "; ")})
		}
	}
	return found, missing
}

func findInstaller(ctx context.Context, name string) (*Installer, []string) {
	var reasons []string
	for _, command := range installerCommands[name] {
		cmd := exec.CommandContext(ctx, command[0], append(command[1:], "--version")...)
		cmd.Env = cleanEnvironment()
		out, err := cmd.CombinedOutput()
		if err == nil {
			return &Installer{Name: name, Version: versionIn(string(out)), command: command}, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", strings.Join(command, " "), err))
	}
	return nil, reasons
}

// versionIn takes the version from "pip 25.1 from …" and "uv 0.8.0 (…)".
func versionIn(text string) string {
	if words := strings.Fields(text); len(words) > 1 {
		return words[1]
	}
	return ""
}

// cleanEnvironment leaves out variables that would send an installer elsewhere than to the loopback interface.
func cleanEnvironment() []string {
	env := []string{"PIP_CONFIG_FILE=" + os.DevNull, "NO_PROXY=*", "no_proxy=*"}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(upper, "PIP_") || strings.HasPrefix(upper, "UV_") || strings.HasSuffix(upper, "_PROXY") {
			continue
		}
		env = append(env, variable)
	}
	return env
}

// order is one installation or download into an empty directory, as if for another machine.
type order struct {
	index, stubs string // URLs
	target       string
	requirement  string
	constraint   string // file, or ""
	python       matrix.Version
	platform     string // platform tag
}

// install runs the installer; the error has the output of the installer.
func (i Installer) install(ctx context.Context, o order) error {
	arguments, settings, err := i.arguments(o)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, i.command[0], append(i.command[1:len(i.command):len(i.command)], arguments...)...)
	cmd.Env = append(cleanEnvironment(), settings...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s failed: %w: %s", i.Name, err, lastLines(string(out), 6))
	}
	return nil
}

// arguments make pip download and uv install. pip install holds Requires-Python against the Python that pip runs on;
// pip download holds it against the Python of the order. Both choose the same wheel. settings are variables.
func (i Installer) arguments(o order) (arguments, settings []string, err error) {
	if i.Name == "pip" {
		arguments = []string{"download", "--isolated", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--quiet",
			"--platform", o.platform, "--index-url", o.index, "--extra-index-url", o.stubs, "--dest", o.target}
	} else {
		platform, variables, err := uvPlatform(o.platform)
		if err != nil {
			return nil, nil, err
		}
		settings = variables
		arguments = []string{"pip", "install", "--no-config", "--no-cache", "--no-python-downloads", "--quiet",
			"--python-platform", platform, "--default-index", o.index, "--index", o.stubs, "--target", o.target}
	}
	arguments = append(arguments, "--only-binary", ":all:", "--python-version", o.python.String())
	if o.constraint != "" {
		arguments = append(arguments, "--constraint", o.constraint)
	}
	return append(arguments, o.requirement), settings, nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], " | ")
}
