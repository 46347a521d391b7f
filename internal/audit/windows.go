package audit

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// windowsLibraries tells who must give a DLL by its name in lower case; the first pattern that fits counts. Sources:
// Microsoft's pages on the Universal C Runtime (a part of Windows 10) and on the Visual C++ Redistributable (not a
// part of Windows), the DLLs of torch's and NVIDIA's wheels for Windows on PyPI, and the system32 directory of
// Windows 10.
var windowsLibraries = []struct {
	group    Group
	patterns []string
}{
	{GroupUCRT, []string{"ucrtbase.dll", "api-ms-win-crt-*.dll"}},
	{GroupWindows, []string{
		"api-ms-win-*.dll", "ext-ms-*.dll", "aclui.dll", "activeds.dll", "advapi32.dll", "authz.dll", "avrt.dll", "bcrypt*.dll",
		"cfgmgr32.dll", "comctl32.dll", "comdlg32.dll", "credui.dll", "crypt32.dll", "d2d1.dll", "d3d*.dll", "dbghelp.dll",
		"dnsapi.dll", "dsound.dll", "dwmapi.dll", "dwrite.dll", "dxcore.dll", "dxgi.dll", "dxva2.dll", "evr.dll",
		"gdi32.dll", "gdiplus.dll", "glu32.dll",
		"imagehlp.dll", "imm32.dll", "iphlpapi.dll", "kernel32.dll", "kernelbase.dll", "lz32.dll", "mf.dll", "mfplat.dll",
		"mfreadwrite.dll", "mpr.dll", "msimg32.dll", "msvcrt.dll", "mswsock.dll", "ncrypt.dll", "netapi32.dll", "normaliz.dll",
		"ntdll.dll", "odbc32.dll", "ole32.dll", "oleacc.dll", "oleaut32.dll", "oledlg.dll", "opengl32.dll", "pdh.dll",
		"powrprof.dll", "propsys.dll", "psapi.dll", "query.dll", "rasapi32.dll", "rpcrt4.dll", "secur32.dll", "setupapi.dll",
		"shcore.dll", "shell32.dll", "shlwapi.dll", "synchronization.dll", "uiautomationcore.dll", "urlmon.dll",
		"user32.dll", "userenv.dll",
		"uxtheme.dll", "version.dll", "wevtapi.dll", "windowscodecs.dll", "winhttp.dll", "wininet.dll", "winmm.dll",
		"winscard.dll", "winspool.drv", "wintrust.dll", "wldap32.dll", "ws2_32.dll", "wsock32.dll", "wtsapi32.dll",
	}},
	{GroupMSVC, []string{
		"vcruntime1??*.dll", "msvcp1??*.dll", "concrt1??.dll", "vcomp1??.dll", "vccorlib1??.dll", "vcamp1??.dll", "mfc1??*.dll", "msvcr1??.dll",
	}},
	{GroupC10, []string{"c10.dll", "c10_*.dll"}},
	{GroupTorch, []string{"torch.dll", "torch_*.dll", "caffe2_*.dll", "shm.dll"}},
	{GroupRuntime, []string{"cudart64_*.dll"}},
	{GroupDriver, []string{"nvcuda.dll", "nvml.dll", "nvcuvid.dll", "nvencodeapi64.dll"}},
	{GroupCUDA, []string{
		"cublas*64_*.dll", "cudnn*64_*.dll", "cudss*64_*.dll", "cufft*64_*.dll", "cupti64_*.dll", "curand64_*.dll", "cusolver*64_*.dll",
		"cusparse*.dll", "cutensor*.dll", "nccl*.dll", "nppc64_*.dll", "npp[is]*64_*.dll", "nvblas64_*.dll",
		"nvfatbin*.dll", "nvinfer*.dll", "nvjitlink*.dll",
		"nvjpeg*64_*.dll", "nvonnxparser*.dll", "nvrtc*64_*.dll", "nvtoolsext64_*.dll",
	}},
}

var (
	pythonDLL    = regexp.MustCompile(`^python3(\d*)(t?)(_d)?\.dll$`)
	cpythonABI   = regexp.MustCompile(`^cp3(\d+)(t?)$`)
	interpreters = []string{"vcruntime140.dll", "vcruntime140_1.dll"} // beside CPython's python.exe since 3.8: python/cpython issue 154376
)

// dllGroup tells who must give a DLL. own are the names of the wheel's DLLs, in lower case.
func dllGroup(library string, own map[string]bool) Group {
	name := strings.ToLower(library)
	if own[name] {
		return GroupWheel
	}
	if pythonDLL.MatchString(name) {
		return GroupPython
	}
	for _, known := range windowsLibraries {
		if slices.ContainsFunc(known.patterns, func(pattern string) bool { same, _ := path.Match(pattern, name); return same }) {
			return known.group
		}
	}
	return GroupOther
}

// externalDLL reports whether a DLL is neither in the wheel nor on every Windows with a CPython.
func externalDLL(library string, own map[string]bool) bool {
	switch dllGroup(library, own) {
	case GroupWheel, GroupWindows, GroupUCRT, GroupPython:
		return false
	}
	return !slices.Contains(interpreters, strings.ToLower(library))
}

// checkPythonDLL compares the Python that a DLL links with the Python of the wheel's tag: Windows does not find the
// DLL of another Python when the module is imported.
func (r *Report) checkPythonDLL(object Object) {
	want := r.pythonDLL()
	for _, library := range object.Needed {
		match := pythonDLL.FindStringSubmatch(strings.ToLower(library))
		if match == nil || want == "" || match[1] == "" {
			continue
		}
		if !strings.EqualFold(library, want) {
			r.fail(CodePython, object.Member, "it links %s, the tag %s allows %s", library, r.Filename.CompressedTag(), want)
		}
	}
}

// pythonDLL is the DLL of Python that a wheel with one ABI tag may link besides python3.dll; "" for several ABI tags.
func (r *Report) pythonDLL() string {
	if len(r.Filename.ABI) != 1 {
		return ""
	}
	if match := cpythonABI.FindStringSubmatch(r.Filename.ABI[0]); match != nil {
		return "python3" + match[1] + match[2] + ".dll"
	}
	return "python3.dll" // abi3 and none
}

// checkDLL reports what a DLL reveals about the machine it was linked on, and why the DLL fails on other machines.
func (r *Report) checkDLL(object Object) {
	if object.HasBuildPath() {
		r.warn(finding.CodeBuildPath, object.Member, "it names %s, a path of the machine it was linked on", object.PDB)
	}
	r.checkPythonDLL(object)
}
