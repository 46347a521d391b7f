package audit

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// Group says who must give a symbol.
type Group string

const (
	GroupTorch    Group = "torch"
	GroupC10      Group = "c10"
	GroupRuntime  Group = "cuda-runtime"
	GroupDriver   Group = "cuda-driver"
	GroupCUDA     Group = "cuda-libraries"
	GroupPython   Group = "python"
	GroupLibc     Group = "libc"
	GroupWindows  Group = "windows"
	GroupUCRT     Group = "ucrt" // Microsoft's C runtime, a part of Windows
	GroupMSVC     Group = "msvc" // the C++ runtime of the Visual C++ Redistributable
	GroupCXX      Group = "c++"
	GroupWheel    Group = "wheel" // another object of the same wheel
	GroupVersions Group = "other-versioned"
	GroupOther    Group = "other"
)

// SymbolGroup is the undefined symbols of one object that one side must give.
type SymbolGroup struct {
	Member  string   `json:"member"`
	Group   Group    `json:"group"`
	Count   int      `json:"count"`
	Weak    int      `json:"weak"` // symbols that may stay undefined
	Symbols []string `json:"symbols"`
}

// groupPatterns are tried in order on names that are not C++ names.
var groupPatterns = []struct {
	group   Group
	pattern *regexp.Regexp
}{
	{GroupPython, regexp.MustCompile(`^_?Py(_|[A-Z])`)},
	{GroupTorch, regexp.MustCompile(`^(THP|THC|TH[A-Z]|aoti_torch_|torch_|_ZNK?8pybind116detail11type_casterIN(2at|3c10|5torch))`)},
	{GroupRuntime, regexp.MustCompile(`^(cuda[A-Z]|__cuda|__cudart)`)},
	{GroupCUDA, regexp.MustCompile(`^(cublas|cudnn|cusparse|cusolver|cufft|curand|nccl|nvjpeg|npp[a-z]|nvrtc|nvJitLink|nvtx|cufile)`)},
	{GroupDriver, regexp.MustCompile(`^cu[A-Z]`)},
	{GroupCXX, regexp.MustCompile(`^(__cxa_|__gxx_|_Unwind_|__dynamic_cast|_Zn[wa]|_Zd[la]|_ZT[IVS][a-zNSP]|_ZGTt|__emutls)`)},
	{GroupLibc, regexp.MustCompile(`^(__gmon_start__|_ITM_|__libc_|__stack_chk|__tls_get_addr|__pthread_key_create|_Jv_)`)},
}

var groupNamespaces = map[string]Group{
	"at": GroupTorch, "torch": GroupTorch, "caffe2": GroupTorch, "c10": GroupC10, "c10d": GroupTorch,
	"std": GroupCXX, "__gnu_cxx": GroupCXX, "__cxxabiv1": GroupCXX, "__cxx11": GroupCXX,
}

// groupLibraries tells the group of a symbol with a version by the library in that version.
var groupLibraries = []struct {
	prefix string
	group  Group
}{
	{"libc.so", GroupLibc}, {"libm.so", GroupLibc}, {"libpthread.so", GroupLibc}, {"libdl.so", GroupLibc},
	{"librt.so", GroupLibc}, {"ld-linux", GroupLibc}, {"libmvec.so", GroupLibc}, {"libutil.so", GroupLibc},
	{"libstdc++.so", GroupCXX}, {"libgcc_s.so", GroupCXX}, {"libcudart", GroupRuntime},
	{"libcuda.so", GroupDriver}, {"libcublas", GroupCUDA}, {"libcu", GroupCUDA}, {"libnv", GroupCUDA}, {"libnccl", GroupCUDA},
	{"libpython", GroupPython},
}

// groupOf tells who must give a symbol: by the symbol's DLL, or by its name where the format names no library.
func groupOf(format object.Format, symbol object.Undefined, own owned) Group {
	if format == object.FormatPE {
		return dllGroup(symbol.Library, own.libraries)
	}
	for _, known := range groupLibraries {
		if symbol.Library != "" && strings.HasPrefix(symbol.Library, known.prefix) {
			return known.group
		}
	}
	if own.symbols[symbol.Name] {
		return GroupWheel
	}
	if group, ok := groupNamespaces[namespaceOf(symbol.Name)]; ok {
		return group
	}
	for _, known := range groupPatterns {
		if known.pattern.MatchString(symbol.Name) {
			return known.group
		}
	}
	if symbol.Version != "" {
		return GroupVersions
	}
	return GroupOther
}

func symbolGroups(w *wheel.Wheel, own owned) []SymbolGroup {
	var list []SymbolGroup
	for _, o := range w.Objects {
		groups := map[Group]*SymbolGroup{}
		for _, symbol := range o.Undefined {
			name := groupOf(o.Format, symbol, own)
			if groups[name] == nil {
				groups[name] = &SymbolGroup{Member: o.Member, Group: name}
			}
			groups[name].add(symbol)
		}
		for _, group := range groups {
			slices.Sort(group.Symbols)
			list = append(list, *group)
		}
	}
	slices.SortFunc(list, func(a, b SymbolGroup) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Group, b.Group))
	})
	return list
}

func (g *SymbolGroup) add(symbol object.Undefined) {
	g.Count++
	if symbol.Weak {
		g.Weak++
	}
	name := symbol.Name
	switch {
	case symbol.Version != "":
		name += "@" + symbol.Version
	case strings.HasPrefix(name, "#"):
		name = symbol.Library + name
	}
	g.Symbols = append(g.Symbols, name)
}
