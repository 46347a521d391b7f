// Package torch keeps torch wheels of a package index in the state directory, for audits that look up symbols in the
// wheels.
package torch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/sums"
	"github.com/sagebuild/sagebuild/internal/system"
	"github.com/sagebuild/sagebuild/internal/ui"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/matrix"
)

// Store fetches wheels with this machine's pip and by pip's settings: index, proxy, certificates.
type Store struct {
	State string    // state directory
	Locks string    // directory with lock files, whose hashes count where they pin the version; may be missing
	Log   io.Writer // gets a line for each wheel that is fetched
}

// Request is a torch release for one interpreter, system and machine.
type Request struct {
	Version string // 2.8.0, or 2.8.0+cu129 where an index has a wheel for each CUDA; 2.8 is its newest patch
	Python  string // 3.12
	System  string // linux or windows
	Machine string // x86_64 or aarch64
}

// release is X.Y.Z with PEP 440's local part, or X.Y, which stands for its newest patch.
var release = regexp.MustCompile(`^(\d+\.\d+)(?:\.\d+(\+[a-z0-9]+(\.[a-z0-9]+)*)?)?$`)

// IsRelease says whether a text names a release of torch, such as 2.8.0, 2.8.0+cu129 or 2.8.
func IsRelease(text string) bool { return release.MatchString(text) }

var cpython = regexp.MustCompile(`^cp3(\d+)$`)

// RequestFor is the release for a wheel's interpreter, system and machine. A wheel that is for no single CPython gets
// the torch of CPython 3.12: the exports of torch's own libraries do not depend on the CPython.
func RequestFor(version string, name wheel.Filename) (Request, error) {
	request := Request{Version: version, Python: "3.12"}
	if len(name.ABI) == 1 && cpython.MatchString(name.ABI[0]) {
		request.Python = "3." + cpython.FindStringSubmatch(name.ABI[0])[1]
	}
	for _, tag := range name.Platform {
		platform := wheel.ParsePlatform(tag)
		request.System, request.Machine = platform.System, platform.Machine
		if len(request.platforms()) > 0 {
			return request, nil
		}
	}
	return request, diag.Usagef("sagebuild audit --torch DIR WHEEL", "no torch can be fetched for the platform %s: name a directory or a wheel", strings.Join(name.Platform, "."))
}

// isSeries reports whether the version leaves the patch open.
func (r Request) isSeries() bool { return strings.Count(r.Version, ".") == 1 }

// specifier is what pip is asked for where no lock file pins the release.
func (r Request) specifier() string {
	if r.isSeries() {
		return "torch==" + r.Version + ".*"
	}
	return "torch==" + r.Version
}

// lock names the lock file that may pin the release, in the directory of lock files.
func (r Request) lock() (string, error) {
	torch, err := matrix.ParseVersion(release.FindStringSubmatch(r.Version)[1])
	if err != nil {
		return "", err
	}
	python, err := matrix.ParseVersion(r.Python)
	if err != nil {
		return "", err
	}
	return path.Base(bake.TorchLock(torch, python, matrix.Platform{})), nil
}

func (r Request) pythonDigits() string { return strings.ReplaceAll(r.Python, ".", "") }

// platforms are the tags that torch's wheels have had; none for a system or machine without a torch.
func (r Request) platforms() []string {
	switch r.System + " " + r.Machine {
	case "windows x86_64":
		return []string{"win_amd64"}
	case "windows aarch64":
		return []string{"win_arm64"}
	case "linux x86_64", "linux aarch64":
		var tags []string
		for _, family := range []string{"manylinux_2_28", "manylinux_2_17", "manylinux2014", "manylinux1", "linux"} {
			tags = append(tags, family+"_"+r.Machine)
		}
		return tags
	}
	return nil
}

// folder is where in the store the release lies.
func (r Request) folder() string {
	name := r.Version + "-cp" + r.pythonDigits() + "-" + r.Machine
	if r.System == "windows" {
		name += "-windows"
	}
	return name
}

// Wheel returns the path of the release's wheel. It fetches the wheel where the store lacks it, or where the bytes
// have changed since they were fetched. pip compares the bytes with the index's hash, and with the lock file's hashes
// where a lock file pins the release.
func (s Store) Wheel(ctx context.Context, request Request) (string, error) {
	if !IsRelease(request.Version) {
		return "", diag.Usagef("sagebuild audit --torch 2.8.0 WHEEL", "%q names no release of torch", request.Version)
	}
	dir := filepath.Join(folder(s.State), request.folder())
	if path := kept(dir); path != "" {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(dir, ".fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(scratch)
	path, err := s.fetch(ctx, request, scratch)
	if err != nil {
		return "", err
	}
	_, err = sums.Publish(dir, path)
	return filepath.Join(dir, filepath.Base(path)), err
}

// folder holds all fetched wheels.
func folder(state string) string { return filepath.Join(state, "torch") }

// Remove drops what was fetched, and returns how many bytes that frees.
func Remove(state string) (int64, error) { return system.RemoveTree(folder(state)) }

// kept is the one wheel in a directory, if the wheel's bytes are still the bytes that were fetched.
func kept(dir string) string {
	list, err := sums.Read(dir)
	if err != nil || len(list) != 1 {
		return ""
	}
	for name, want := range list {
		path := filepath.Join(dir, name)
		if got, err := digest.File(path); err == nil && got == want {
			return path
		}
	}
	return ""
}

func (s Store) fetch(ctx context.Context, request Request, scratch string) (string, error) {
	command, err := findPip(ctx)
	if err != nil {
		return "", err
	}
	requirement, hashed, err := s.requirement(request)
	if err != nil {
		return "", err
	}
	file := filepath.Join(scratch, "requirement.txt")
	if err := os.WriteFile(file, []byte(requirement), 0o600); err != nil {
		return "", err
	}
	args := append(command[1:], "download", "--quiet", "--no-color", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-deps",
		"--only-binary", ":all:", "--implementation", "cp", "--python-version", request.Python, "--abi", "cp"+request.pythonDigits(),
		"--dest", scratch, "--requirement", file)
	for _, tag := range request.platforms() {
		args = append(args, "--platform", tag)
	}
	if hashed {
		args = append(args, "--require-hashes")
	}
	fmt.Fprintf(s.Log, "fetching torch %s for Python %s, %s\n", request.Version, request.Python, request.platforms()[0])
	if err := run(ctx, command[0], args); err != nil {
		return "", err
	}
	wheels, err := filepath.Glob(filepath.Join(scratch, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return "", fmt.Errorf("pip left %s, %w", ui.Count(len(wheels), "wheel"), errors.Join(err, errors.New("want one")))
	}
	return wheels[0], nil
}

func run(ctx context.Context, name string, args []string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &diag.Error{Class: diag.Environment, Message: "pip cannot fetch torch", Err: errors.New(lastLine(said.String(), err)),
			Hint: "python3 -m pip config list"}
	}
	return nil
}

// lastLine is the last line of pip's errors, which says the reason.
func lastLine(said string, err error) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if text, ok := strings.CutPrefix(strings.TrimSpace(lines[i]), "ERROR: "); ok {
			return text
		}
	}
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}

// findPip prefers the pip module of python3. The same settings steer the module and the pip on the path.
func findPip(ctx context.Context) ([]string, error) {
	for _, command := range [][]string{{"python3", "-m", "pip"}, {"pip"}} {
		if exec.CommandContext(ctx, command[0], append(command[1:], "--version")...).Run() == nil {
			return command, nil
		}
	}
	return nil, &diag.Error{Class: diag.Environment, Message: "fetching torch needs pip, and there is none", Hint: "apt-get install --yes python3-pip"}
}

// requirement is what pip is asked for, with hashes where a lock file pins the very release.
func (s Store) requirement(request Request) (text string, hashed bool, err error) {
	plain := request.specifier()
	name, err := request.lock()
	if err != nil {
		return "", false, err
	}
	lock, err := os.ReadFile(filepath.Join(s.Locks, name))
	if errors.Is(err, os.ErrNotExist) {
		return plain + "\n", false, nil
	}
	if err != nil {
		return "", false, err
	}
	joined := strings.ReplaceAll(string(lock), "\\\n", " ")
	for line := range strings.SplitSeq(joined, "\n") {
		fields := strings.Fields(line)
		if len(fields) > 1 && (fields[0] == plain || request.isSeries() && strings.HasPrefix(fields[0], "torch=="+request.Version+".")) {
			return strings.Join(fields, " ") + "\n", true, nil
		}
	}
	return plain + "\n", false, nil
}
