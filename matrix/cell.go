package matrix

import "fmt"

// Package is a Python distribution that the matrix builds.
type Package struct {
	Name         string  `json:"name"`         // its word in target names: sage2
	Distribution string  `json:"distribution"` // what pip installs: sageattention
	Module       string  `json:"module"`       // what Python imports, and its folder below python: sageattention
	Fatbin       string  `json:"fatbin"`       // file name of the kernels: sageattn.fatbin
	Version      Version `json:"version"`
	SMs          []SM    `json:"sms,omitempty"` // the SMs that its wheels are for; nil means all
	smsSource    string
	oldest       []floor
}

// NativeDir is the directory of a wheel that holds the host library and the kernels: sageattention/lib.
func (p Package) NativeDir() string { return p.Module + "/lib" }

// DistInfo is the directory of a wheel's metadata: sageattention-2.2.0.dist-info.
func (p Package) DistInfo() string { return p.Distribution + "-" + p.Version.String() + ".dist-info" }

// Platform is a system that wheels are built for.
type Platform struct {
	Name         string  `json:"name"`         // its word in target names: linux
	Tag          string  `json:"tag"`          // platform tag of the wheel of one torch: linux_x86_64
	UniversalTag string  `json:"universalTag"` // platform tag of the universal wheel: manylinux_2_17_x86_64
	Triple       string  `json:"triple"`       // host compiler's target without glibc version: x86_64-linux-gnu
	Library      string  `json:"library"`      // file name of the host library: libsageattn.so
	Glibc        Version `json:"glibc"`        // oldest glibc that the host library may need; zero without glibc
	Emulator     string  `json:"emulator"`     // what runs the tests: qemu, wine, or "" for the machine itself
}

// HostTarget is the target of the host compiler: x86_64-linux-gnu.2.17, x86_64-windows-gnu.
func (p Platform) HostTarget() string {
	if p.Glibc.IsZero() {
		return p.Triple
	}
	return p.Triple + "." + p.Glibc.String()
}

// Rule is one fact about which versions go together, with the public document that states the fact.
type Rule struct {
	Name    string `json:"name"`    // torch-cuda, cuda-targets, sm-minimum, package-sms, …
	Subject string `json:"subject"` // what the rule is about: torch 2.8, CUDA 12.9, SM 8.9, sageattn3
	Text    string `json:"text"`
	Source  string `json:"source"`
}

// Exclusion is an SM that a cell leaves out, and the rule that says why.
type Exclusion struct {
	SM   SM   `json:"sm"`
	Rule Rule `json:"rule"`
}

// Reason is the exclusion in one line: "8.9 needs CUDA 12.4 or newer".
func (e Exclusion) Reason() string { return e.Rule.Text }

// Cell is one wheel of the matrix. An ordinary wheel is for one torch and one Python; a universal wheel is for the
// cell's torch and Python and all later ones. Native code depends on neither torch nor Python, so the two forms
// differ in names and requirements alone.
type Cell struct {
	Package   Package     `json:"package"`
	Platform  Platform    `json:"platform"`
	Universal bool        `json:"universal"`
	Torch     Version     `json:"torch"`    // three numbers; for a universal wheel the two of its oldest torch
	CUDA      Version     `json:"cuda"`     // two or three numbers
	Python    Version     `json:"python"`   // two numbers; for a universal wheel those of its oldest Python
	Runtimes  []Runtime   `json:"runtimes"` // what the wheel is tested on; empty for a wheel without tests
	SMs       []SM        `json:"sms"`      // old to new, never empty
	PTX       []SM        `json:"ptx"`      // SMs whose PTX the wheel holds: that of Matrix.PTXOf, if among SMs
	Excluded  []Exclusion `json:"excluded"`
}

// Runtime is a torch on a CPython.
type Runtime struct {
	Torch  Version `json:"torch"`  // three numbers
	Python Version `json:"python"` // two numbers
}

// Target is the name of the build target: linux-sage2-pytorch28-cu129-python312, linux-sage2-universal.
func (c Cell) Target() string {
	if c.Universal {
		return c.Platform.Name + "-" + c.Package.Name + "-" + universal
	}
	return c.rowName() + "-python" + c.Python.Digits()
}

// rowName is the target without the Python.
func (c Cell) rowName() string {
	if c.Universal {
		return c.Target()
	}
	return fmt.Sprintf("%s-%s-pytorch%s-cu%s", c.Platform.Name, c.Package.Name, c.Torch.Minor().Digits(), c.CUDA.Minor().Digits())
}

// TestTarget is the name of the target that tests the cell's wheel on one of its runtimes: test-<target>, for a
// universal wheel test-<target>-pytorch28-python312.
func (c Cell) TestTarget(on Runtime) string {
	if c.Universal {
		return fmt.Sprintf("%s%s-pytorch%s-python%s", testPrefix, c.Target(), on.Torch.Minor().Digits(), on.Python.Digits())
	}
	return testPrefix + c.Target()
}

// TestTargets are the names of all targets that test the cell's wheel.
func (c Cell) TestTargets() []string {
	names := make([]string, len(c.Runtimes))
	for i, on := range c.Runtimes {
		names[i] = c.TestTarget(on)
	}
	return names
}

// BuildTag is {torch digits}.{cuda major and minor}: 280.129. A universal wheel has none.
func (c Cell) BuildTag() string {
	if c.Universal {
		return ""
	}
	return c.Torch.Digits() + "." + c.CUDA.Minor().Digits()
}

// PythonTag is the wheel's Python tag: cp312, py3.
func (c Cell) PythonTag() string {
	if c.Universal {
		return "py3"
	}
	return "cp" + c.Python.Digits()
}

// ABITag is the wheel's ABI tag: cp312, none.
func (c Cell) ABITag() string {
	if c.Universal {
		return "none"
	}
	return c.PythonTag()
}

// PlatformTag is the wheel's platform tag: linux_x86_64, manylinux_2_17_x86_64.
func (c Cell) PlatformTag() string {
	if c.Universal {
		return c.Platform.UniversalTag
	}
	return c.Platform.Tag
}

// Tag is the wheel's whole tag: cp312-cp312-linux_x86_64.
func (c Cell) Tag() string { return c.PythonTag() + "-" + c.ABITag() + "-" + c.PlatformTag() }

// WheelName is the file name of the wheel: sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl,
// sageattention-2.2.0-py3-none-manylinux_2_17_x86_64.whl.
func (c Cell) WheelName() string {
	stem := c.Package.Distribution + "-" + c.Package.Version.String()
	if tag := c.BuildTag(); tag != "" {
		stem += "-" + tag
	}
	return stem + "-" + c.Tag() + ".whl"
}

// TorchWords is the torch of the wheel for people: 2.8.0, or 2.4+ for every torch from 2.4 on.
func (c Cell) TorchWords() string { return c.andLater(c.Torch) }

// PythonWords is the Python of the wheel for people: 3.12, 3.9+.
func (c Cell) PythonWords() string { return c.andLater(c.Python) }

func (c Cell) andLater(oldest Version) string {
	if c.Universal {
		return oldest.String() + "+"
	}
	return oldest.String()
}

// TorchRequirement is the wheel's dependency on torch: torch==2.8.*, torch>=2.4.
func (c Cell) TorchRequirement() string {
	if c.Universal {
		return "torch>=" + c.Torch.String()
	}
	return fmt.Sprintf("torch==%s.*", c.Torch.Minor())
}

// PythonRequirement is the wheel's Requires-Python: >=3.12,<3.13; >=3.9.
func (c Cell) PythonRequirement() string {
	if c.Universal {
		return ">=" + c.Python.String()
	}
	return fmt.Sprintf(">=%s,<%s", c.Python, c.Python.Next())
}
