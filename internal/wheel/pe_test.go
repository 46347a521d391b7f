package wheel

import (
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// TestPEFixtures reads DLLs that zig linked: testdata/README.md has what llvm-readobj says of them.
func TestPEFixtures(t *testing.T) {
	for _, c := range []struct {
		name, pdb string
		device    int64
	}{
		{"good.dll", "", 0},
		{"symbols.dll", "symbols.pdb", 0},
		{"device.dll", "", 14272 + 24 + 9184 + 9184},
	} {
		r := &reading{left: content.NewBudget()}
		r.readContent(c.name, content.Of(wheeltest.Fixture(t, c.name)))
		if len(r.objects) != 1 || len(r.problems) != 0 {
			t.Fatalf("%s: %d objects, %s", c.name, len(r.objects), lines(r.problems))
		}
		o := r.objects[0]
		if !slices.Equal(o.Needed, []string{"KERNEL32.dll", "api-ms-win-crt-convert-l1-1-0.dll"}) || !slices.Equal(o.Exported, []string{"fixture", "fixture_abi_version"}) {
			t.Errorf("%s: needs %q, exports %q", c.name, o.Needed, o.Exported)
		}
		if o.PDB != c.pdb || o.HasBuildPath() || !o.Repeatable || !o.Stripped || o.DeviceCodeBytes != c.device {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
}

// TestPEDeviceCode wants the same entries as the fatbins that were linked in.
func TestPEDeviceCode(t *testing.T) {
	r := &reading{left: content.NewBudget()}
	r.readContent("device.dll", content.Of(wheeltest.Fixture(t, "device.dll")))
	if len(r.fatbins) != 3 || len(r.fatbins[0].Entries) != 6 || r.fatbins[1].Entries[0].Compression != "zstd" || len(r.problems) != 0 {
		t.Fatalf("%+v, %s", r.fatbins, lines(r.problems))
	}
	for at, relocatable := range []bool{false, false, true} {
		if r.fatbins[at].Relocatable() != relocatable {
			t.Errorf("%s: relocatable %v", r.fatbins[at].Section, !relocatable)
		}
	}
}

// TestWhatIsNoPE wants text that begins with MZ to be no object, and a DLL's name to promise one.
func TestWhatIsNoPE(t *testing.T) {
	for name, want := range map[string]int{"a.txt": 0, "setup.exe": 0, "a.dll": 1, "a.PYD": 1} {
		for _, text := range []string{"MZ", "MZ and more text than a header takes, so that there is one to look at"} {
			r := &reading{left: content.NewBudget()}
			r.readContent(name, content.Of([]byte(text)))
			if len(r.problems) != want || len(r.objects) != 0 {
				t.Errorf("%s: %s", name, lines(r.problems))
			}
		}
	}
}
