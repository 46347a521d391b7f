package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

const command = "./cmd/sagebuild"

// binary is the program for one target.
type binary struct {
	target
	content []byte
	module  string // path of the main module, which is where the project lives
	version string // as PEP 440 writes it
}

// file is its name where it is installed.
func (b binary) file() string {
	if b.system == "windows" {
		return "sagebuild.exe"
	}
	return "sagebuild"
}

// build links without symbols and debug information, which are a third of the file.
func build(t target, work string) (binary, error) {
	path := filepath.Join(work, "sagebuild-"+t.system+"-"+t.processor)
	if _, err := goRun(t, "build", "-trimpath", "-ldflags", "-s -w", "-o", path, command); err != nil {
		return binary{}, err
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return binary{}, err
	}
	return describe(t, path, info)
}

func describe(t target, path string, info *debug.BuildInfo) (b binary, err error) {
	b = binary{target: t, module: info.Main.Path}
	if b.version, err = pep440(info.Main.Version); err != nil {
		return b, err
	}
	b.content, err = os.ReadFile(path)
	return b, err
}

// goRun runs the go command for a target and returns what it prints.
func goRun(t target, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.processor, "GOFLAGS=-trimpath")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}
