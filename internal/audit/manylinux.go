package audit

import (
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/matrix"
)

// Floor is the oldest system that an object, or all of a wheel, runs on.
type Floor struct {
	Glibc     string `json:"glibc,omitempty"`
	Libstdcxx string `json:"libstdcxx,omitempty"` // GLIBCXX_
	CXXABI    string `json:"cxxabi,omitempty"`
	Manylinux string `json:"manylinux,omitempty"` // "manylinux_2_28"; empty if no known one is new enough
}

// manylinuxPolicies are the highest symbol versions of x86_64 in each manylinux tag, old to new. Source: auditwheel's
// manylinux-policy.json. A tag between two of them differs in glibc alone.
var manylinuxPolicies = []struct{ glibc, libstdcxx, cxxabi string }{
	{"2.5", "3.4.8", "1.3.1"},
	{"2.12", "3.4.13", "1.3.3"},
	{"2.17", "3.4.19", "1.3.7"},
	{"2.24", "3.4.22", "1.3.10"},
	{"2.26", "3.4.22", "1.3.10"},
	{"2.27", "3.4.24", "1.3.11"},
	{"2.28", "3.4.24", "1.3.11"},
	{"2.31", "3.4.28", "1.3.12"},
	{"2.34", "3.4.29", "1.3.13"},
	{"2.35", "3.4.30", "1.3.13"},
	{"2.36", "3.4.30", "1.3.13"},
	{"2.37", "3.4.30", "1.3.13"},
	{"2.38", "3.4.30", "1.3.13"},
	{"2.39", "3.4.33", "1.3.15"},
	{"2.40", "3.4.33", "1.3.15"},
	{"2.41", "3.4.33", "1.3.15"},
}

// setManylinux finds the oldest tag whose systems have every version. An object without versions runs on the oldest.
func (f *Floor) setManylinux() {
	for _, policy := range manylinuxPolicies {
		if !newer(f.Glibc, policy.glibc) && !newer(f.Libstdcxx, policy.libstdcxx) && !newer(f.CXXABI, policy.cxxabi) {
			f.Manylinux = tagOf(policy.glibc)
			return
		}
	}
	f.Manylinux = ""
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

var (
	manylinuxTag = regexp.MustCompile(`^manylinux_(2_\d+)_(.+)$`)
	legacyTag    = regexp.MustCompile(`^manylinux(1|2010|2014)_(.+)$`)
	linuxTag     = regexp.MustCompile(`^linux_(.+)$`)
	legacyGlibc  = map[string]string{"1": "2.5", "2010": "2.12", "2014": "2.17"}
)

// platformOf takes a platform tag apart: the machine, and the glibc that it promises to be enough, "" for none.
func platformOf(tag string) (machine, glibc string) {
	if match := manylinuxTag.FindStringSubmatch(tag); match != nil {
		return match[2], "2." + match[1][2:]
	}
	if match := legacyTag.FindStringSubmatch(tag); match != nil {
		return match[2], legacyGlibc[match[1]]
	}
	if match := linuxTag.FindStringSubmatch(tag); match != nil {
		return match[1], ""
	}
	return "", ""
}
