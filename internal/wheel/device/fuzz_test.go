package device

import (
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func FuzzFatbin(f *testing.F) {
	for _, name := range []string{"plain.fatbin", "speed.fatbin", "size.fatbin"} {
		f.Add(wheeltest.FirstEntry(wheeltest.Fixture(f, name)))
	}
	f.Add(wheeltest.Fixture(f, "concat.fatbin"))
	for _, data := range damagedConcatenated(f) {
		f.Add(data)
	}
	f.Add(wheeltest.PTXFatbin([]byte("// PTX")))
	f.Fuzz(func(t *testing.T, data []byte) {
		fatbins, _ := ParseFatbins(content.Of(data), content.NewBudget())
		var end int64
		for _, fatbin := range fatbins {
			if fatbin.Offset < end || fatbin.Size > int64(len(data))-fatbin.Offset {
				t.Errorf("a fatbin at %d of %d bytes, after %d, in %d bytes", fatbin.Offset, fatbin.Size, end, len(data))
			}
			end = fatbin.Offset + fatbin.Size
			for _, entry := range fatbin.Entries {
				if entry.Stored > fatbin.Size {
					t.Errorf("entry %+v in %d bytes", entry, fatbin.Size)
				}
			}
		}
	})
}

func FuzzCubin(f *testing.F) {
	f.Add(wheeltest.Fixture(f, "sm_90a.cubin"))
	f.Add(wheeltest.Fixture(f, "sm_90a_cuda13.cubin"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cubin, err := ReadCubin(content.Of(data))
		if err == nil && len(cubin.Kernels) > len(data)/elffile.SymbolBytes {
			t.Errorf("%d kernels in %d bytes", len(cubin.Kernels), len(data))
		}
	})
}

func FuzzLZ4(f *testing.F) {
	f.Add([]byte("\x1fa\x01\x00\x01\x10b"), int64(22))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		plain, err := unpackLZ4(data, size)
		if err == nil && int64(len(plain)) != size {
			t.Errorf("%d bytes, want %d", len(plain), size)
		}
	})
}
