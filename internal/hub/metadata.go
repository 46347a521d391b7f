package hub

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/kernels"
)

const metadataFile = "metadata.json"

// kernelName and kernelVersion are what programs ask the Hub for: diffusers 0.42.1, models/attention_dispatch.py,
// _HubKernelConfig(repo_id="SageAttention/sage-attention", version=3).
const (
	kernelName    = "sage-attention"
	kernelVersion = 3
)

// metadata is metadata.json as kernels 0.17.2 reads it (kernels/_rust.pyi, Metadata).
type metadata struct {
	ID            string   `json:"id"`
	Name          string   `json:"name"`
	Version       int      `json:"version"`
	License       string   `json:"license"`
	PythonDepends []string `json:"python-depends"`
	Backend       backend  `json:"backend"`
	Digest        digests  `json:"digest"`
}

type backend struct {
	Type  string   `json:"type"`
	Archs []string `json:"archs"`
}

// digests are those of all files beside metadata.json, in base64.
type digests struct {
	Algorithm string            `json:"algorithm"`
	Files     map[string]string `json:"files"`
}

func newMetadata(s *source, files map[string][]byte) metadata {
	sums := digests{Algorithm: "sha256", Files: map[string]string{}}
	for name, sum := range files {
		sums.Files[name] = base64.StdEncoding.EncodeToString(sum)
	}
	return metadata{
		ID: identifier(files), Name: kernelName, Version: kernelVersion, License: s.wheel.Metadata.License,
		PythonDepends: []string{}, Backend: backend{Type: "cuda", Archs: archs(s.wheel.Devices())}, Digest: sums,
	}
}

// identifier names the module and the namespace of its operators: other bytes, another name, so that two builds live in
// one process.
func identifier(files map[string][]byte) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%x  %s\n", files[name], name)
	}
	return "sage_attention_cuda_" + hex.EncodeToString(hash.Sum(nil)[:4])
}

// archs lists the SMs with machine code, and those with PTX as "12.1+PTX". Each SM has kernels for all of its GPUs, so
// that no suffix stands behind it (kernels 0.17.2, kernels/archs.py).
func archs(devices []device.Device) []string {
	var cubins, ptx []kernels.Arch
	for _, one := range devices {
		arch := kernels.Arch{SM: one.Arch.SM}
		switch one.Kind {
		case device.KindCubin, device.KindOldCubin:
			cubins = append(cubins, arch)
		case device.KindPTX:
			ptx = append(ptx, arch)
		}
	}
	names := texts(cubins, "")
	return append(names, texts(ptx, "+PTX")...)
}

func texts(archs []kernels.Arch, suffix string) []string {
	slices.SortFunc(archs, kernels.Arch.Compare)
	names := []string{}
	for _, arch := range slices.Compact(archs) {
		names = append(names, arch.String()+suffix)
	}
	return names
}

func (m metadata) write(path string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, err = writeFile(path, append(text, '\n'))
	return err
}
