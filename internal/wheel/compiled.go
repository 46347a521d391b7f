package wheel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// CompiledFile lies in dist-info: what the steps of a build made, by hashes that each step took of what it wrote, and what
// the check of the compiler's code found. python/build_backend/compiled.py writes it.
const CompiledFile = "compiled.json"

// compiledFormat is the one that is read.
const compiledFormat = 1

// Compiled is what CompiledFile says.
type Compiled struct {
	Format int               `json:"format"`
	Images []Image           `json:"images"`
	Files  map[string]string `json:"files"` // SHA-256 of native members
}

// Image is a cubin or PTX of the fatbin, as the compiler wrote it.
type Image struct {
	Cubin    string                   `json:"cubin,omitempty"` // the file's name: quantize.sm_90.cubin
	PTX      string                   `json:"ptx,omitempty"`
	SHA256   string                   `json:"sha256"`             // of PTX without comments and blanks
	Nvdisasm string                   `json:"nvdisasm,omitempty"` // the version that read the cubin
	ReadAs   string                   `json:"read_as,omitempty"`  // the SM as which nvdisasm read it, if not its own
	Kernels  map[string]CheckedKernel `json:"kernels,omitempty"`
}

// CheckedKernel is what the check found in the machine code of one kernel; docs/sass.md says what each means.
type CheckedKernel struct {
	Instructions int            `json:"instructions"`
	Tensor       map[string]int `json:"tensor,omitempty"` // opcode → how often
	SpillLoads   int            `json:"spill_loads,omitempty"`
	SpillStores  int            `json:"spill_stores,omitempty"`
	Unknown      map[string]int `json:"unknown,omitempty"`
	Unclear      map[string]int `json:"unclear,omitempty"`
	Unreached    int            `json:"unreached,omitempty"`
	Doubtful     []string       `json:"doubtful,omitempty"`
}

// Name is the file's name.
func (i Image) Name() string { return i.Cubin + i.PTX }

// ParseCompiled reads the text of a CompiledFile.
func ParseCompiled(data []byte) (*Compiled, error) {
	var c Compiled
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, finding.Refuse(finding.CodeCompiled, "", "it is no JSON of the form that is read: %w", err)
	}
	if c.Format != compiledFormat {
		return nil, finding.Refuse(finding.CodeCompiled, "", "its format is %d, and %d is read", c.Format, compiledFormat)
	}
	return &c, nil
}

// checkCompiled compares what was compiled with the members: a byte that flipped in a cache, after it was compiled and
// before RECORD was written, shows here alone.
func (w *Wheel) checkCompiled(a *archive, report *finding.List) {
	if w.Compiled == nil {
		return
	}
	missing := map[string]string{} // images by hash
	for _, image := range w.Compiled.Images {
		missing[image.SHA256] = image.Name()
	}
	var fatbins []string
	for _, name := range slices.Sorted(maps.Keys(w.Compiled.Files)) {
		if a.member(name) == nil {
			report.Fail(finding.CodeCompiled, name, "%s names it, the wheel does not hold it", CompiledFile)
			continue
		}
		if w.images[name] != nil {
			fatbins = append(fatbins, name)
		}
		unknown := takeKnown(w.images[name], missing)
		if len(unknown) > 0 || w.sum(name) != w.Compiled.Files[name] {
			report.Fail(finding.CodeCompiled, name, "it is not what was compiled%s", told(unknown))
		}
	}
	if len(missing) > 0 && !report.Has(finding.CodeCompiled) {
		lost := slices.Sorted(maps.Values(missing))
		report.Fail(finding.CodeCompiled, strings.Join(fatbins, ", "), "it lacks what was compiled: %s", list(lost))
	}
}

func told(unknown []string) string {
	if len(unknown) == 0 {
		return ""
	}
	return ": " + strings.Join(unknown, ", ")
}

// takeKnown takes the images of a fatbin from missing, and names the others.
func takeKnown(images []imageSum, missing map[string]string) (unknown []string) {
	for _, image := range images {
		if _, known := missing[image.sum]; !known {
			unknown = append(unknown, image.name)
		}
		delete(missing, image.sum)
	}
	return unknown
}

// imageSum is an image of a fatbin and the hash of its code.
type imageSum struct{ name, sum string }

// hashImages hashes the images of a fatbin where they are compared: while the fatbin is unpacked, because most of a wheel
// is its fatbin.
func (r *reading) hashImages(c content.Content) error {
	if head := c.Magic(); r.compare == nil || !device.IsFatbin(head[:]) {
		return nil
	}
	r.images = []imageSum{}
	for _, piece := range device.Pieces(c, r.compare) {
		sum, err := hashCode(piece.Content)
		if err != nil {
			return err
		}
		r.images = append(r.images, imageSum{piece.Name, sum})
	}
	return nil
}

// maxPTXBytes bounds PTX, which is read whole; that of all our kernels for one SM has 2 MB.
const maxPTXBytes = 64 << 20

// hashCode hashes an image: a cubin as it is, PTX without comments and blanks, because nvFatbin drops some of both.
func hashCode(c content.Content) (string, error) {
	hash := sha256.New()
	if head := c.Magic(); elffile.Is(head[:]) {
		if _, err := io.Copy(hash, io.NewSectionReader(c.R, 0, c.Size)); err != nil {
			return "", fmt.Errorf("reading a cubin: %w", err)
		}
	} else if text, ok := c.Bytes(maxPTXBytes); ok {
		hash.Write(plainPTX(text))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

var ptxComment = regexp.MustCompile(`//[^\n]*`)

// plainPTX drops comments, blanks and the zeros that end PTX in a fatbin.
func plainPTX(text []byte) []byte {
	code := ptxComment.ReplaceAllLiteral(bytes.TrimRight(text, "\x00"), nil)
	return bytes.Join(bytes.Fields(code), nil)
}

func (a *archive) member(name string) *member {
	for _, m := range a.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// sum is the SHA-256 of a member.
func (w *Wheel) sum(name string) string {
	for _, m := range w.Members {
		if m.Name == name {
			return m.SHA256
		}
	}
	return ""
}
