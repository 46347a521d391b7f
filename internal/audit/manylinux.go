package audit

import (
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Floor is the oldest system that an ELF object, or all of a wheel, runs on.
type Floor struct {
	Glibc     string `json:"glibc,omitempty"`
	Libstdcxx string `json:"libstdcxx,omitempty"` // GLIBCXX_
	CXXABI    string `json:"cxxabi,omitempty"`
	Libgcc    string `json:"libgcc,omitempty"`    // GCC_
	Manylinux string `json:"manylinux,omitempty"` // "manylinux_2_28"; empty if no known one is new enough

	promise string // the lowest glibc that a manylinux tag may name; empty where Manylinux is
}

// policy is a manylinux tag and the highest symbol versions that its systems have.
type policy struct{ tag, glibc, libstdcxx, cxxabi, libgcc string }

// manylinuxPolicies are the policies of each machine, old to new. Source: manylinux-policy.json of auditwheel 6.8.2.
// A tag between two policies differs in glibc alone. aarch64 begins with 2.17 (PEP 599), and glibc 2.17 of aarch64
// has one symbol of 2.18. The 2.26 of aarch64 has a newer libstdc++ than that of x86_64; its libgcc versions differ
// too.
var manylinuxPolicies = map[string][]policy{
	"x86_64": {
		{"2.5", "2.5", "3.4.8", "1.3.1", "4.2.0"},
		{"2.12", "2.12", "3.4.13", "1.3.3", "4.3.0"},
		{"2.17", "2.17", "3.4.19", "1.3.7", "4.8.0"},
		{"2.24", "2.24", "3.4.22", "1.3.10", "4.8.0"},
		{"2.26", "2.26", "3.4.22", "1.3.10", "4.8.0"},
		{"2.27", "2.27", "3.4.24", "1.3.11", "7.0.0"},
		{"2.28", "2.28", "3.4.24", "1.3.11", "7.0.0"},
		{"2.31", "2.31", "3.4.28", "1.3.12", "7.0.0"},
		{"2.34", "2.34", "3.4.29", "1.3.13", "7.0.0"},
		{"2.35", "2.35", "3.4.30", "1.3.13", "12.0.0"},
		{"2.36", "2.36", "3.4.30", "1.3.13", "12.0.0"},
		{"2.37", "2.37", "3.4.30", "1.3.13", "12.0.0"},
		{"2.38", "2.38", "3.4.30", "1.3.13", "12.0.0"},
		{"2.39", "2.39", "3.4.33", "1.3.15", "14.0.0"},
		{"2.40", "2.40", "3.4.33", "1.3.15", "14.0.0"},
		{"2.41", "2.41", "3.4.33", "1.3.15", "14.0.0"},
	},
	"aarch64": {
		{"2.17", "2.18", "3.4.19", "1.3.7", "4.7.0"},
		{"2.24", "2.24", "3.4.22", "1.3.10", "4.7.0"},
		{"2.26", "2.26", "3.4.24", "1.3.11", "7.0.0"},
		{"2.27", "2.27", "3.4.24", "1.3.11", "7.0.0"},
		{"2.28", "2.28", "3.4.24", "1.3.11", "7.0.0"},
		{"2.31", "2.31", "3.4.28", "1.3.12", "7.0.0"},
		{"2.34", "2.34", "3.4.29", "1.3.13", "11.0"},
		{"2.35", "2.35", "3.4.30", "1.3.13", "11.0"},
		{"2.36", "2.36", "3.4.30", "1.3.13", "11.0"},
		{"2.37", "2.37", "3.4.30", "1.3.13", "11.0"},
		{"2.38", "2.38", "3.4.30", "1.3.13", "11.0"},
		{"2.39", "2.39", "3.4.33", "1.3.15", "14.0.0"},
		{"2.40", "2.40", "3.4.33", "1.3.15", "14.0.0"},
		{"2.41", "2.41", "3.4.33", "1.3.15", "14.0.0"},
	},
}

// oldestGlibc is the glibc of the oldest manylinux tag that installers take. Source: packaging's _manylinux.py.
func oldestGlibc(machine string) string {
	if machine == "x86_64" || machine == "i686" {
		return "2.5"
	}
	return "2.17"
}

// setManylinux finds the oldest tag whose systems have every version that the object needs. An object without
// versions runs on the oldest tag. The table of x86_64 judges the machines that have no table.
func (f *Floor) setManylinux(machine string) {
	policies := manylinuxPolicies[machine]
	if policies == nil {
		policies = manylinuxPolicies["x86_64"]
	}
	f.Manylinux, f.promise = "", ""
	for _, p := range policies {
		if newer(f.Libstdcxx, p.libstdcxx) || newer(f.CXXABI, p.cxxabi) || newer(f.Libgcc, p.libgcc) {
			continue
		}
		if f.promise == "" {
			f.promise = p.tag
			if newer(f.Glibc, p.glibc) {
				f.promise = newest(f.promise, f.Glibc)
			}
		}
		if !newer(f.Glibc, p.glibc) {
			f.Manylinux = tagOf(p.tag)
			return
		}
	}
}

func tagOf(glibc string) string { return "manylinux_" + strings.ReplaceAll(glibc, ".", "_") }

// newer compares dotted versions; an empty one is older than all.
func newer(a, b string) bool {
	x, errX := matrix.ParseVersion(a)
	y, errY := matrix.ParseVersion(b)
	return errX == nil && (errY != nil || x.Compare(y) > 0)
}

func newest(a, b string) string {
	if newer(b, a) {
		return b
	}
	return a
}
