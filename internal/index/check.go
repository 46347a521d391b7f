package index

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/matrix"
)

// Proof is one fetch by a real installer.
type Proof struct {
	Wheel     string    `json:"wheel"`
	Installer Installer `json:"installer"`
	Page      string    `json:"page"`  // html: a static host; json: a host that knows PEP 691
	Torch     string    `json:"torch"` // the installed torch that had to stay, or the torch that the installer chose
	Problem   string    `json:"problem,omitempty"`

	entry Entry
	pin   string // torch that the environment has, "" for none
}

// newestStub is newer than any torch: an installer that is free to upgrade torch takes newestStub.
const newestStub = "99.0.0"

// Check lets each installer fetch every wheel of the site at dir, with dependencies, from a server on the loopback
// interface into an empty directory: once from the static pages beside a torch that has to stay, once from JSON with
// every torch free to choose. A proof without Problem says three things: the installer asked for exactly this wheel;
// the stored bytes are the bytes of the wheel; torch is the one that had to stay, or is of the release that the wheel
// is for.
func Check(ctx context.Context, dir string, installers []Installer) ([]Proof, error) {
	manifest, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "sagebuild-check-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	stubs := filepath.Join(work, "stubs")
	if err := writeStubs(stubs, "torch", stubVersions(manifest)); err != nil {
		return nil, err
	}
	server, err := Serve(dir, stubs)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	c := &checker{dir: dir, work: work, server: server}
	return c.all(ctx, newProofs(manifest, installers)), ctx.Err()
}

// stubVersions has each torch of the site, a later patch of each torch, and newestStub.
func stubVersions(m *Manifest) []string {
	versions := []string{newestStub}
	for _, entry := range m.Wheels {
		if !entry.Channel.IsUniversal() {
			versions = append(versions, entry.Channel.Torch.String(), entry.Channel.Torch.Minor().String()+".99")
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(versions)))
}

func newProofs(m *Manifest, installers []Installer) []Proof {
	var proofs []Proof
	for _, entry := range m.Wheels {
		pin := newestStub
		if !entry.Channel.IsUniversal() {
			pin = entry.Channel.Torch.String()
		}
		for _, installer := range installers {
			proofs = append(proofs,
				Proof{Wheel: entry.Filename, Installer: installer, Page: "html", entry: entry, pin: pin},
				Proof{Wheel: entry.Filename, Installer: installer, Page: "json", entry: entry})
		}
	}
	return proofs
}

type checker struct {
	dir, work string
	server    *Server
}

// all runs one installer for each CPU at a time.
func (c *checker) all(ctx context.Context, proofs []Proof) []Proof {
	each(len(proofs), func(i int) {
		if err := c.one(ctx, fmt.Sprintf("run%d", i), &proofs[i]); err != nil {
			proofs[i].Problem = err.Error()
		}
	})
	return proofs
}

// one runs one installer, and looks at what arrived.
func (c *checker) one(ctx context.Context, run string, p *Proof) error {
	o := order{
		index: fmt.Sprintf("%s/%s/%s/%s/", c.server.URL, p.Page, run, p.entry.Channel.Index()), stubs: c.server.URL + "/stubs/",
		target: filepath.Join(c.work, run), requirement: p.entry.Project + "==" + p.entry.Version,
		platform: p.entry.names.Platform[0], python: p.entry.pythonVersion(),
	}
	defer os.RemoveAll(o.target)
	if p.pin != "" {
		o.constraint = filepath.Join(c.work, run+".txt")
		if err := os.WriteFile(o.constraint, []byte("torch=="+p.pin+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := p.Installer.install(ctx, o); err != nil {
		return err
	}
	if got := c.server.wheels(run); !slices.Equal(got, []string{p.Wheel}) {
		return fmt.Errorf("it asked for %s", strings.Join(got, ", "))
	}
	if err := p.checkBytes(filepath.Join(c.dir, p.entry.Path()), o.target); err != nil {
		return err
	}
	return p.checkTorch(o.target)
}

// pythonVersion is a Python that the wheel is for: 3.12 for cp312, and 3.12 also if the tag has no minor version.
func (e Entry) pythonVersion() matrix.Version {
	if v, err := matrix.ParseVersion(e.python()); err == nil && v.Parts() == 2 {
		return v
	}
	return matrix.MustVersion("3.12")
}

// checkBytes compares the wheel with what the installer stored: the wheel itself, or its files.
func (p *Proof) checkBytes(file, target string) error {
	stored := file // uv unpacks the wheel: the unpacked files are compared with the wheel of the site
	if p.Installer.Name == "pip" {
		stored = filepath.Join(target, p.Wheel)
	}
	sum, err := digest.File(stored)
	switch {
	case err != nil:
		return err
	case sum != p.entry.SHA256:
		return fmt.Errorf("%s has other bytes than published", p.Wheel)
	case p.Installer.Name == "pip":
		return nil
	}
	return sameFiles(file, target)
}

// sameFiles wants each file of the wheel in target, except RECORD, because installers rewrite RECORD.
func sameFiles(file, target string) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, member := range archive.File {
		if strings.HasSuffix(member.Name, "/") || strings.HasSuffix(member.Name, ".dist-info/RECORD") {
			continue
		}
		want, err := readAll(member)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(target, filepath.FromSlash(member.Name)))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not the wheel's", member.Name)
		}
	}
	return nil
}

// checkTorch wants the torch that had to stay, or a torch of the wheel's release; no torch if the wheel needs none.
func (p *Proof) checkTorch(target string) error {
	found, err := filepath.Glob(filepath.Join(target, "torch-*"))
	if err != nil {
		return err
	}
	if len(found) == 1 {
		version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(found[0]), "torch-"), "-py3-")
		p.Torch = strings.TrimSuffix(version, ".dist-info")
	}
	want := p.pin
	if want == "" && !p.entry.Channel.IsUniversal() {
		want = p.entry.Channel.Torch.Minor().String() + ".99"
	}
	if want != "" && p.Torch != want {
		return fmt.Errorf("torch is %q, want %q", p.Torch, want)
	}
	return nil
}
