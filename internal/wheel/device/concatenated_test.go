package device

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// cuobjdump 13.5.37 lists these in concat.fatbin, the two cubins below a "Fatbin concatenated entry".
func TestConcatenatedEntries(t *testing.T) {
	fatbins, problems := ReadFatbins("a.fatbin", "", content.Of(wheeltest.Fixture(t, "concat.fatbin")), content.NewBudget())
	if len(problems) > 0 || len(fatbins) != 1 {
		t.Fatalf("%d fatbins, %v", len(fatbins), problems)
	}
	var got []string
	for _, entry := range fatbins[0].Entries {
		kernels := 0
		if entry.Cubin != nil {
			kernels = len(entry.Cubin.Kernels)
		}
		got = append(got, fmt.Sprintf("%s %s %s %d", entry.Kind, entry.Arch, entry.Compression, kernels))
		if entry.Stored <= 0 || entry.Stored > entry.Size {
			t.Errorf("%s takes %d of %d bytes", entry.Kind, entry.Stored, entry.Size)
		}
	}
	if want := []string{"ptx 12.1 zstd 0", "cubin 8.0 zstd 3", "cubin 9.0a zstd 3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// damagedConcatenated is concat.fatbin with single fields changed of the entry that wraps others, which follows the entry
// with PTX.
func damagedConcatenated(tb testing.TB) map[string][]byte {
	tb.Helper()
	good := wheeltest.Fixture(tb, "concat.fatbin")
	at := fatbinHeaderBytes + int(little.Uint32(good[fatbinHeaderBytes+4:])) + int(little.Uint64(good[fatbinHeaderBytes+8:]))
	damaged := map[string][]byte{}
	for name, change := range map[string]func(d []byte){
		"the packed bytes":  func(d []byte) { d[len(d)-40] ^= 0xff },
		"number of rows":    func(d []byte) { little.PutUint32(d[at+concatenatedTable:], 1<<31) },
		"place of a cubin":  func(d []byte) { little.PutUint32(d[at+concatenatedRowsAt+4:], 1<<30) },
		"size of a cubin":   func(d []byte) { little.PutUint64(d[at+concatenatedRowsAt+8:], 1<<60) },
		"SM of a cubin":     func(d []byte) { little.PutUint32(d[at+concatenatedRowsAt+28:], 89) },
		"a kind within one": func(d []byte) { little.PutUint16(d[at+concatenatedRowsAt:], 0x200) },
	} {
		damaged[name] = bytes.Clone(good)
		change(damaged[name])
	}
	return damaged
}

func TestDamagedConcatenatedEntries(t *testing.T) {
	for name, data := range damagedConcatenated(t) {
		if _, problems := ReadFatbins("a.fatbin", "", content.Of(data), content.NewBudget()); len(problems) != 1 {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// An entry of a kind that no reader knows is said once for a fatbin.
func TestUnknownKinds(t *testing.T) {
	data := bytes.Clone(wheeltest.Fixture(t, "plain.fatbin"))
	unknown := 0
	for at := fatbinHeaderBytes; at < len(data) && unknown < 2; unknown++ {
		little.PutUint16(data[at:], 0x200)
		at += int(little.Uint32(data[at+4:]) + uint32(little.Uint64(data[at+8:])))
	}
	_, problems := ReadFatbins("a.fatbin", "", content.Of(data), content.NewBudget())
	if len(problems) != 1 || problems[0].Severity != finding.Warning || problems[0].Message != "entries of the unknown kind 0x200: 2; what they hold was not read" {
		t.Errorf("%v", problems)
	}
}
