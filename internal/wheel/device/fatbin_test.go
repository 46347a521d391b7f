package device

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
	"github.com/sagebuild/sagebuild/kernels"
)

// usage is what cuobjdump --dump-resource-usage prints of the fixtures: see testdata/README.md.
var usage = map[string][]Kernel{
	"7.0":   {{"permute", 16, 0, 512}, {"reverse", 10, 1024, 0}, {"scale", 8, 0, 0}},
	"8.0":   {{"permute", 10, 0, 512}, {"reverse", 9, 1024, 0}, {"scale", 8, 0, 0}},
	"9.0a":  {{"permute", 10, 0, 512}, {"reverse", 10, 2048, 0}, {"scale", 8, 0, 0}},
	"10.0f": {{"permute", 10, 0, 512}, {"reverse", 10, 2048, 0}, {"scale", 8, 0, 0}},
	"12.1":  {{"permute", 14, 0, 512}, {"reverse", 10, 2048, 0}, {"scale", 8, 0, 0}},
}

// TestFatbins reads the same code packed in three ways, and wants what cuobjdump says of it.
func TestFatbins(t *testing.T) {
	for name, compression := range map[string]string{"plain.fatbin": "", "speed.fatbin": "lz4", "size.fatbin": "zstd"} {
		t.Run(name, func(t *testing.T) {
			fatbins, err := ParseFatbins(content.Of(wheeltest.Fixture(t, name)), content.NewBudget())
			if err != nil || len(fatbins) != 1 || len(fatbins[0].Entries) != 6 {
				t.Fatalf("%+v, error %v", fatbins, err)
			}
			for _, entry := range fatbins[0].Entries[:5] {
				if entry.Kind != KindCubin || entry.Compression != compression || len(entry.errors) != 0 {
					t.Errorf("entry %+v", entry)
					continue
				}
				checkUsage(t, entry.Arch, *entry.Cubin)
			}
			if ptx := fatbins[0].Entries[5]; ptx.Kind != KindPTX || ptx.Arch.String() != "12.1" || ptx.Compression != compression {
				t.Errorf("PTX %+v", ptx)
			}
		})
	}
}

func checkUsage(t *testing.T, arch kernels.Arch, cubin Cubin) {
	t.Helper()
	kernels := slices.Clone(cubin.Kernels)
	slices.SortFunc(kernels, func(a, b Kernel) int { return strings.Compare(a.Name, b.Name) })
	if want := usage[arch.String()]; !slices.Equal(kernels, want) {
		t.Errorf("SM %s has %+v, want %+v", arch, kernels, want)
	}
}

// TestCubins reads cubins of the two versions of their format.
func TestCubins(t *testing.T) {
	for _, name := range []string{"sm_90a.cubin", "sm_90a_cuda13.cubin"} {
		cubin, err := ReadCubin(content.Of(wheeltest.Fixture(t, name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		checkUsage(t, cubin.Arch, cubin)
	}
}

// TestFatbinDamage changes single fields of the first entry.
func TestFatbinDamage(t *testing.T) {
	const entry = fatbinHeaderBytes
	for name, change := range map[string]func(d []byte) []byte{
		"magic":               func(d []byte) []byte { d[0] = 1; return d },
		"header size":         func(d []byte) []byte { d[6] = 8; return d },
		"container too long":  func(d []byte) []byte { d[15] = 1; return d },
		"container too short": func(d []byte) []byte { d[9]--; return d },
		"entry header size":   func(d []byte) []byte { d[entry+4] = 0; return d },
		"entry too long":      func(d []byte) []byte { d[entry+14] = 1; return d },
		"entry wraps around":  func(d []byte) []byte { copy(d[entry+8:], "\xff\xff\xff\xff\xff\xff\xff\xff"); return d },
		"trailing bytes":      func(d []byte) []byte { return append(d, "abc"...) },
		"unaligned trailer":   func(d []byte) []byte { return append(d, "\x00\x00\x00\x00\x00abc"...) },
	} {
		fatbins, err := ParseFatbins(content.Of(change(wheeltest.Fixture(t, "plain.fatbin"))), content.NewBudget())
		if err == nil {
			t.Errorf("%s: read as %+v", name, fatbins)
		}
	}
}

func TestEntryCompressionDamage(t *testing.T) {
	for _, name := range []string{"speed.fatbin", "size.fatbin"} {
		data := wheeltest.Fixture(t, name)
		for n, change := range []func(d []byte){
			func(d []byte) { d[96] ^= 0xff },                           // the payload
			func(d []byte) { d[16+16]-- },                              // its compressed size
			func(d []byte) { d[16+56]-- },                              // its unpacked size
			func(d []byte) { copy(d[16+56:], "\xff\xff\xff\xff\x00") }, // a bomb
			func(d []byte) { little.PutUint32(d[16+16:], 0x7fffffff) }, // beyond the entry
			func(d []byte) { copy(d[96+200:], make([]byte, 200)) },     // zeros inside
		} {
			damaged := bytes.Clone(data)
			change(damaged)
			fatbins, err := ParseFatbins(content.Of(damaged), content.NewBudget())
			if err != nil || len(fatbins) != 1 || len(fatbins[0].Entries) != 6 {
				t.Fatalf("%s, %d: %+v, error %v", name, n, fatbins, err)
			}
			if first := fatbins[0].Entries[0]; len(first.errors) == 0 && slices.Equal(first.Cubin.Kernels, usage["7.0"]) {
				t.Errorf("%s, %d: the damage was not seen", name, n)
			}
		}
	}
}

func TestUnpackLZ4(t *testing.T) {
	cases := []struct{ packed, plain string }{
		{"\x30abc", "abc"},
		{"\x12a\x01\x00\x20bc", "aaaaaaabc"}, // a match of 6 that overlaps itself
		{"\x1fa\x01\x00\x01\x10b", "a" + string(bytes.Repeat([]byte("a"), 20)) + "b"}, // a longer match
		{"", ""},
	}
	for _, c := range cases {
		plain, err := unpackLZ4([]byte(c.packed), int64(len(c.plain)))
		if err != nil || string(plain) != c.plain {
			t.Errorf("%q: %q, error %v", c.packed, plain, err)
		}
	}
	for _, packed := range []string{"\x40abc", "\xf0", "\xf0\xff\xff", "\x12a\x02\x00\x20bc", "\x12a\x00\x00", "\x12a\x01", "\x30abc\x10"} {
		if plain, err := unpackLZ4([]byte(packed), 9); err == nil {
			t.Errorf("%q became %q", packed, plain)
		}
	}
}
