package hub

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// Package is the module whose wheels can be exported.
const Package = "sageattention"

// source is a universal wheel of one platform.
type source struct {
	wheel    *wheel.Wheel
	platform string // as sageattention/_library.py names its folder: x86_64-linux
	files    []file
}

// file is a member of the package and where it goes.
type file struct {
	member wheel.Member
	name   string // below the build
	native bool   // differs from platform to platform
}

// readSource reads a wheel completely, and refuses one that is for one torch and Python.
func readSource(path string) (*source, error) {
	platform, err := platformOf(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	w, err := wheel.Open(path)
	var refusal *finding.Refusal
	if errors.As(err, &refusal) {
		return nil, refused(path, refusal)
	}
	if err != nil {
		return nil, err
	}
	for _, problem := range w.Problems {
		if problem.Severity == finding.Error {
			return nil, refused(path, errors.New(strings.TrimPrefix(problem.String(), "error: ")))
		}
	}
	s := &source{wheel: w, platform: platform}
	s.setFiles()
	return s, nil
}

func refused(path string, why error) error {
	return &diag.Error{Class: diag.Mismatch, Message: filepath.Base(path) + " is not exported", Err: why, Hint: diag.Command("sagebuild", "audit", path)}
}

const hint = "sagebuild bake universal"

// Universal reports whether a file name is that of a wheel which one build can hold: any Python, no Python ABI.
func Universal(name string) bool {
	names, err := wheel.ParseFilename(name)
	return err == nil && wheel.NormalizeName(names.Distribution) == Package &&
		len(names.Python) == 1 && names.Python[0] == "py3" && len(names.ABI) == 1 && names.ABI[0] == "none"
}

func platformOf(name string) (string, error) {
	if !Universal(name) {
		return "", diag.Usagef(hint, "%s is no universal wheel of %s (py3-none): a kernel serves every torch and Python", name, Package)
	}
	tag := strings.TrimSuffix(name[strings.LastIndexByte(name, '-')+1:], ".whl")
	switch {
	case strings.Contains(tag, "linux") && strings.HasSuffix(tag, "_x86_64"):
		return "x86_64-linux", nil
	case strings.Contains(tag, "linux") && strings.HasSuffix(tag, "_aarch64"):
		return "aarch64-linux", nil
	case tag == "win_amd64":
		return "x86_64-windows", nil
	}
	return "", diag.Usagef(hint, "%s is for %s, want Linux on x86-64 or Arm, or Windows", name, tag)
}

// setFiles lists the package. Its library goes into a folder of its platform.
func (s *source) setFiles() {
	for _, member := range s.wheel.Members {
		name, ok := strings.CutPrefix(member.Name, Package+"/")
		if !ok {
			continue
		}
		native := path.Dir(name) == "lib" && path.Ext(name) != ".fatbin"
		if native {
			name = path.Join("lib", s.platform, path.Base(name))
		}
		s.files = append(s.files, file{member: member, name: name, native: native})
	}
}

func (s *source) version() string { return s.wheel.Metadata.Version }

// checkBeside refuses two wheels of one platform, and two that differ in more than their libraries.
func (s *source) checkBeside(other *source) error {
	if s.platform == other.platform {
		return diag.Usagef("sagebuild export WHEEL...", "%s and %s are both for %s: name one", other.wheel.Name, s.wheel.Name, s.platform)
	}
	if s.version() != other.version() {
		return diag.Usagef(hint, "%s has version %s, %s has %s", other.wheel.Name, other.version(), s.wheel.Name, s.version())
	}
	if name := firstDifference(s.shared(), other.shared()); name != "" {
		return diag.Usagef(hint, "%s and %s differ in %s: they are of different builds", other.wheel.Name, s.wheel.Name, name)
	}
	return nil
}

// shared are the digests of the files that all platforms have.
func (s *source) shared() map[string]string {
	sums := map[string]string{}
	for _, file := range s.files {
		if !file.native {
			sums[file.name] = file.member.SHA256
		}
	}
	return sums
}

func firstDifference(a, b map[string]string) string {
	var different string
	for _, pair := range [2][2]map[string]string{{a, b}, {b, a}} {
		for name, sum := range pair[0] {
			if pair[1][name] != sum && (different == "" || name < different) {
				different = name
			}
		}
	}
	return different
}

// extract writes a member to a file and returns its SHA-256, which must be the one that Open saw.
func (s *source) extract(member wheel.Member, to string) ([]byte, error) {
	data, err := s.read(member)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", s.wheel.Name, member.Name, err)
	}
	return writeFile(to, data)
}

func (s *source) read(member wheel.Member) ([]byte, error) {
	archive, err := zip.OpenReader(s.wheel.Path)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	r, err := archive.Open(member.Name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, member.Size+1))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != member.SHA256 {
		return nil, errors.New("the wheel changed while it was read")
	}
	return data, nil
}

// writeFile writes a file, with the directories above it, and returns its SHA-256.
func writeFile(path string, data []byte) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return sum[:], nil
}
