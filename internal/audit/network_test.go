package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/object"
)

// oracle is what cuobjdump says of one wheel: testdata/README.md.
type oracle struct {
	Name, SHA256, CUObjDump string
	Files                   map[string]map[string]int // by file: entries like "elf sm_90a 1.7 compressed"
}

func readOracles(t *testing.T) []oracle {
	t.Helper()
	data, err := os.ReadFile("testdata/cuobjdump.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []oracle
	if err := json.Unmarshal(data, &all); err != nil || len(all) < 5 {
		t.Fatalf("%d wheels, error %v", len(all), err)
	}
	return all
}

// TestAgainstCuobjdump downloads wheels of other people and wants exactly the entries that cuobjdump lists, and the
// kernels that cuobjdump confirms. The test needs the network and pip; SAGEBUILD_TEST_WHEELS may name a directory
// that keeps the wheels.
func TestAgainstCuobjdump(t *testing.T) {
	if os.Getenv("SAGEBUILD_TEST_NETWORK") != "1" {
		t.Skip("SAGEBUILD_TEST_NETWORK=1 downloads 192 MB of wheels")
	}
	directory := wheelDirectory(t)
	for _, want := range readOracles(t) {
		t.Run(want.Name, func(t *testing.T) {
			r, err := Run(download(t, directory, want.Name), defaults(t))
			if err != nil {
				t.Fatal(err)
			}
			if r.SHA256 != want.SHA256 {
				t.Fatalf("SHA-256 is %s, want %s", r.SHA256, want.SHA256)
			}
			compareEntries(t, r, want.Files)
			checkKernels(t, r)
		})
	}
}

// TestAgainstPefile downloads wheels for Windows and wants the imports and exports that pefile lists.
func TestAgainstPefile(t *testing.T) {
	if os.Getenv("SAGEBUILD_TEST_NETWORK") != "1" {
		t.Skip("SAGEBUILD_TEST_NETWORK=1 downloads 80 MB of wheels")
	}
	var all []struct {
		Name  string
		Files map[string]dllOracle
	}
	data, err := os.ReadFile("testdata/dlls.json")
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil || len(all) < 5 {
		t.Fatalf("%d wheels, error %v", len(all), err)
	}
	directory := wheelDirectory(t)
	for _, want := range all {
		r, err := Run(download(t, directory, want.Name), defaults(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(r.wheel.Objects) != len(want.Files) {
			t.Errorf("%s: %d libraries, pefile reads %d", want.Name, len(r.wheel.Objects), len(want.Files))
		}
		for _, object := range r.wheel.Objects {
			if got := oracleOf(object); got != want.Files[object.Member] {
				t.Errorf("%s: %s: %+v, pefile says %+v", want.Name, object.Member, got, want.Files[object.Member])
			}
		}
	}
}

// dllOracle is what pefile says of one DLL: testdata/dlls.py.
type dllOracle struct {
	Timestamp        uint32
	PDB              string
	Imports, Exports int
	SHA256           string
}

func oracleOf(o object.Object) dllOracle {
	var lines []string
	for _, symbol := range o.Undefined {
		lines = append(lines, "import "+symbol.Library+" "+symbol.Name+"\n")
	}
	for _, name := range o.Exported {
		lines = append(lines, "export "+name+"\n")
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return dllOracle{o.Timestamp, o.PDB, len(o.Undefined), len(o.Exported), hex.EncodeToString(sum[:])}
}

// wheelDirectory is where downloaded wheels are kept.
func wheelDirectory(t *testing.T) string {
	t.Helper()
	if directory := os.Getenv("SAGEBUILD_TEST_WHEELS"); directory != "" {
		return directory
	}
	return t.TempDir()
}

// download asks pip for exactly this file, unless the file is there.
func download(t *testing.T, directory, name string) string {
	t.Helper()
	path := filepath.Join(directory, name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	parsed, err := wheel.ParseFilename(name)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", directory, "--implementation", "cp", "--python-version", "3.12"}
	if version, ok := strings.CutPrefix(parsed.Python[0], "cp3"); ok {
		args[len(args)-1] = "3." + version
	}
	for _, platform := range parsed.Platform {
		args = append(args, "--platform", platform)
	}
	if out, err := exec.Command("python3", append(args, parsed.Distribution+"=="+parsed.Version)...).CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	return path
}

func compareEntries(t *testing.T, r *Report, want map[string]map[string]int) {
	t.Helper()
	found := map[string]map[string]int{}
	total := 0
	for _, code := range r.Code {
		if !code.Loadable { // cuobjdump does not list __nv_relfatbin
			continue
		}
		if found[code.Member] == nil {
			found[code.Member] = map[string]int{}
		}
		found[code.Member][entryName(code)] += code.Entries
		total += code.Entries
	}
	for member := range maps.Keys(want) {
		if !maps.Equal(found[member], want[member]) {
			t.Errorf("%s: %v, cuobjdump lists %v", member, found[member], want[member])
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d files with device code, cuobjdump finds %d", len(found), len(want))
	}
	t.Logf("%d entries in %d files", total, len(found))
}

// entryName spells an entry as cuobjdump does.
func entryName(code Code) string {
	kind := map[device.Kind]string{device.KindCubin: "elf", device.KindPTX: "ptx"}[code.Kind]
	name := fmt.Sprintf("%s sm_%s%s %s", kind, code.Arch.SM.Digits(), code.Arch.Suffix, code.Version)
	if code.Compression != "" {
		name += " compressed"
	}
	return name
}

// checkKernels compares all kernels with those that cuobjdump confirmed: testdata/kernels.py.
func checkKernels(t *testing.T, r *Report) {
	t.Helper()
	data, err := os.ReadFile("testdata/kernels.json")
	if err != nil {
		t.Fatal(err)
	}
	var known []struct {
		Name, SHA256 string
		Kernels      int
	}
	if err := json.Unmarshal(data, &known); err != nil {
		t.Fatal(err)
	}
	lines := kernelLines(r)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	for _, want := range known {
		if want.Name == r.Name && (len(lines) != want.Kernels || hex.EncodeToString(sum[:]) != want.SHA256) {
			t.Errorf("%d kernels differ from the %d that cuobjdump confirmed", len(lines), want.Kernels)
		}
	}
	t.Logf("%d kernels", len(lines))
}

func kernelLines(r *Report) []string {
	var lines []string
	for _, g := range r.Kernels {
		for _, k := range g.Kernels {
			lines = append(lines, fmt.Sprintf("%s %s%s %s %d %d %d\n", g.Member, g.Arch.SM.Digits(), g.Arch.Suffix, k.Name, k.Registers, k.Stack, k.Shared))
		}
	}
	slices.Sort(lines)
	return lines
}
