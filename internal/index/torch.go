package index

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"

	"github.com/sagebuild/sagebuild/matrix"
)

// Torch is the torch of a user, by what torch.__version__ says: 2.8.0, 2.8.0+cu129, 2.9.0.dev20250801+cpu,
// 2.8.0a0+5228986c39.nv25.5.
type Torch struct {
	Release matrix.Version // two to four numbers: 2.8.0
	Backend string         // what it is built for where that is not CUDA: "the CPU alone", "ROCm"
	CUDA    matrix.Version // 12.9 of +cu129; zero where the version does not say
	text    string         // without the local label, as requirements name it
	version pep440.Version
}

// torchForm wants at least two numbers, because requirements name two.
var torchForm = regexp.MustCompile(`^v?[0-9]+\.[0-9]`)

// ParseTorch reads a version as PEP 440 does.
func ParseTorch(text string) (Torch, error) {
	version, err := pep440.Parse(text)
	if err != nil || !torchForm.MatchString(text) {
		return Torch{}, fmt.Errorf("%q is no version such as 2.8.0 or 2.8.0+cu129", text)
	}
	t := Torch{text: version.Public(), version: version}
	if t.Release, err = matrix.ParseVersion(version.BaseVersion()); err != nil {
		return Torch{}, err
	}
	t.readLabel(version.Local())
	return t, nil
}

var cudaLabel = regexp.MustCompile(`^cu([1-9][0-9])([0-9]+)$`)

// backends are the labels of PyTorch's own builds without CUDA. Source: PyTorch, "Get Started" and RELEASE.md.
var backends = map[string]string{"cpu": "the CPU alone", "rocm": "ROCm", "xpu": "Intel's GPUs"}

// readLabel reads the local label: cu129, cpu, rocm6.4, xpu. Labels of other makers (git5228986, nv25.5) say neither.
func (t *Torch) readLabel(label string) {
	first, _, _ := strings.Cut(label, ".")
	if parts := cudaLabel.FindStringSubmatch(first); parts != nil {
		t.CUDA, _ = matrix.ParseVersion(parts[1] + "." + parts[2])
	}
	t.Backend = backends[strings.TrimRight(first, "0123456789")]
}

// String is the version as requirements name it, without the local label.
func (t Torch) String() string { return t.text }

// MarshalText writes String.
func (t Torch) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// Refusal says why no wheel serves this torch at all, or is empty.
func (t Torch) Refusal() string {
	if t.Backend == "" {
		return ""
	}
	return fmt.Sprintf("this torch is built for %s and runs no CUDA kernel", t.Backend)
}

// Pin is the requirement that keeps an installer from changing torch: ==2.8.0, or ==2.8.* where only two numbers are known.
func (t Torch) Pin() string {
	if t.Release.Parts() == 2 && t.text == t.Release.String() {
		return "torch==" + t.text + ".*"
	}
	return "torch==" + t.text
}

// drivers are the oldest drivers that run machine code of each major release of CUDA. Source: NVIDIA, CUDA Compatibility,
// table "CUDA Toolkit 11.x, 12.x, and 13.x Driver Version Ranges"
// (https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html).
var drivers = map[int]int{11: 450, 12: 525, 13: 580}

// Driver is the driver of a user's machine, by the first number of its version: 550 of 550.54.14.
type Driver int

// ParseDriver reads what nvidia-smi prints.
func ParseDriver(text string) (Driver, error) {
	first, _, _ := strings.Cut(text, ".")
	number, err := strconv.Atoi(first)
	if err != nil || number < 100 || number > 9999 {
		return 0, fmt.Errorf("%q is no driver version such as 550.54.14", text)
	}
	return Driver(number), nil
}
