// Package doctor looks at a machine and says what it lacks for building and testing wheels, each time with the
// command that fixes it. It changes nothing: the one mount that it tries is undone at once.
package doctor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// Status is the outcome of one check.
type Status string

// A warning hinders nothing by itself; something missing stops what Check.For names.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Missing Status = "missing"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	// For is the command that needs it: "bake" (and so test as well) or "test".
	For    string `json:"for"`
	Detail string `json:"detail"`
	// Fix is a command to type; empty where the status is ok.
	Fix string `json:"fix,omitempty"`
}

// Options say which paths the checks are about.
type Options struct {
	// State is the state directory, which need not exist yet.
	State string
}

// Disk needs in bytes: a whole matrix of wheels, the tests of one torch, the tests of all.
const (
	diskBake    ui.Size = 6e9
	diskTest    ui.Size = 16e9
	diskTestAll ui.Size = 45e9
)

// Run makes every check, in the order in which a new machine is set up.
func Run(ctx context.Context, options Options) []Check {
	if runtime.GOOS != "linux" {
		return append([]Check{noLinux()}, network(ctx)...)
	}
	checks := []Check{
		root(),
		program("runc", "bake", "runs the build's containers", "runc"),
		program("mmdebstrap", "bake", "makes the Debian base", "mmdebstrap"),
		file("debian keyring", "bake", "/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
		certificates(),
		overlay(options.State),
		disk(options.State),
		goTool(ctx),
	}
	return append(checks, network(ctx)...)
}

// Missed counts the checks that stop something.
func Missed(checks []Check) int {
	missed := 0
	for _, check := range checks {
		if check.Status == Missing {
			missed++
		}
	}
	return missed
}

// noLinux is about systems without containers of their own, where a builder elsewhere must do the work.
func noLinux() Check {
	return Check{"linux", Missing, "bake", "this system is " + runtime.GOOS + ", and the embedded BuildKit makes Linux containers",
		"docker buildx ls, then sagebuild bake --builder NAME"}
}

func root() Check {
	check := Check{Name: "root", Status: OK, For: "bake", Detail: "running as root"}
	if uid := os.Geteuid(); uid != 0 {
		check.Status, check.Detail = Missing, fmt.Sprintf("running as user %d; the embedded BuildKit makes containers and mounts", uid)
		check.Fix = "sudo sagebuild doctor"
	}
	return check
}

func program(name, need, purpose, debianPackage string) Check {
	path, err := exec.LookPath(name)
	if err != nil {
		return Check{name, Missing, need, "not on PATH; it " + purpose, aptInstall(debianPackage)}
	}
	return Check{Name: name, Status: OK, For: need, Detail: path}
}

func file(name, need, path, debianPackage string) Check {
	if _, err := os.Stat(path); err != nil {
		return Check{name, Missing, need, "there is no " + path, aptInstall(debianPackage)}
	}
	return Check{Name: name, Status: OK, For: need, Detail: path}
}

func aptInstall(debianPackage string) string {
	return diag.Command("apt-get", "install", "--yes", debianPackage)
}

// certificates finds the bundle that builds mount into their containers.
func certificates() Check {
	path := "/etc/ssl/certs/ca-certificates.crt"
	if custom := os.Getenv("SSL_CERT_FILE"); custom != "" {
		path = custom
	}
	return file("certificates", "bake", path, "ca-certificates")
}

// goTool looks for the go command, which fetches interpreters as Go modules and checks their hashes.
func goTool(ctx context.Context) Check {
	check := program("go", "test", "fetches the CPython interpreters", "golang-go")
	if check.Status != OK {
		return check
	}
	version, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return Check{"go", Missing, "test", fmt.Sprintf("%s does not run: %v", check.Detail, err), aptInstall("golang-go")}
	}
	check.Detail = strings.TrimSpace(string(version))
	return check
}

// existing is the nearest directory above path that exists, path itself included.
func existing(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path
		}
		path = parent
	}
}
