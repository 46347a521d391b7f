package matrix

import "fmt"

// Package is a Python distribution that the matrix builds. Name is its word in target names.
type Package struct {
	Name         string  `json:"name"`
	Distribution string  `json:"distribution"`
	Version      Version `json:"version"`
}

// Platform is a system that wheels are built for.
type Platform struct {
	Name   string  `json:"name"`   // its word in target names: linux
	OSArch string  `json:"osArch"` // as BuildKit names it: linux/amd64
	Tag    string  `json:"tag"`    // platform tag of the wheel: linux_x86_64
	Triple string  `json:"triple"` // target of the host compiler, without the glibc version: x86_64-linux-gnu
	Glibc  Version `json:"glibc"`  // oldest glibc that the host library may need
}

// HostTarget is what the host compiler is told to build for: x86_64-linux-gnu.2.17.
func (p Platform) HostTarget() string { return p.Triple + "." + p.Glibc.String() }

// Rule is one fact about what goes together, with the public document that says so.
type Rule struct {
	Name   string `json:"name"` // torch-cuda, torch-python, cuda-targets, cuda-drops or sm-minimum
	Text   string `json:"text"`
	Source string `json:"source"`
}

// Exclusion is an SM that a cell leaves out, and the rule that says why.
type Exclusion struct {
	SM   SM   `json:"sm"`
	Rule Rule `json:"rule"`
}

// Reason is the exclusion in one line: "8.9 needs CUDA 12.4 or newer".
func (e Exclusion) Reason() string { return e.Rule.Text }

// Cell is one wheel of the matrix.
type Cell struct {
	Package  Package     `json:"package"`
	Platform Platform    `json:"platform"`
	Torch    Version     `json:"torch"`  // three numbers
	CUDA     Version     `json:"cuda"`   // two or three numbers
	Python   Version     `json:"python"` // two numbers
	SMs      []SM        `json:"sms"`    // old to new, never empty
	Excluded []Exclusion `json:"excluded"`
}

// Target is the name of the build target: linux-sage2-pytorch28-cu129-python312.
func (c Cell) Target() string {
	return fmt.Sprintf("%s-%s-pytorch%s-cu%s-python%s", c.Platform.Name, c.Package.Name,
		c.Torch.Minor().Digits(), c.CUDA.Minor().Digits(), c.Python.Digits())
}

// TestTarget is the name of the target that tests the cell's wheel: test-<target>.
func (c Cell) TestTarget() string { return testPrefix + c.Target() }

// BuildTag is {torch digits}.{cuda major and minor}: 280.129.
func (c Cell) BuildTag() string { return c.Torch.Digits() + "." + c.CUDA.Minor().Digits() }

// PythonTag is the wheel's Python tag, and its ABI tag as well: cp312.
func (c Cell) PythonTag() string { return "cp" + c.Python.Digits() }

// WheelName is the file name of the wheel:
// sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl.
func (c Cell) WheelName() string {
	return fmt.Sprintf("%s-%s-%s-%s-%s-%s.whl", c.Package.Distribution, c.Package.Version,
		c.BuildTag(), c.PythonTag(), c.PythonTag(), c.Platform.Tag)
}

// TorchRequirement is the wheel's dependency on torch: torch==2.8.*.
func (c Cell) TorchRequirement() string { return fmt.Sprintf("torch==%s.*", c.Torch.Minor()) }

// PythonRequirement is the wheel's Requires-Python: >=3.12,<3.13.
func (c Cell) PythonRequirement() string { return fmt.Sprintf(">=%s,<%s", c.Python, c.Python.Next()) }

// NewestSM is the last SM of the cell, whose PTX rides along for GPUs that come later.
func (c Cell) NewestSM() SM { return c.SMs[len(c.SMs)-1] }
