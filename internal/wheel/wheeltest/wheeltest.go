// Package wheeltest gives tests the real output of NVIDIA's and zig's tools, and small files made by hand.
// testdata/README.md says how the fixtures were made.
package wheeltest

import (
	"bytes"
	"embed"
	"encoding/binary"
	"path"
	"testing"

	"github.com/sagebuild/sagebuild/tests/dll"
)

//go:embed testdata/*.so testdata/*.dll testdata/*.fatbin testdata/*.cubin testdata/*.dylib testdata/*.wasm
var fixtures embed.FS

// Fixture returns a file of testdata.
func Fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := fixtures.ReadFile(path.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Sizes of a fatbin's headers, and where fields lie in them.
const (
	headerBytes = 16
	entryBytes  = 64
)

var little = binary.LittleEndian

// FirstEntry is a fatbin's first entry alone, so that mutations hit headers more often.
func FirstEntry(fatbin []byte) []byte {
	length := little.Uint32(fatbin[headerBytes+4:]) + little.Uint32(fatbin[headerBytes+8:])
	short := bytes.Clone(fatbin[:headerBytes+length])
	little.PutUint64(short[8:], uint64(length))
	return short
}

// PTXFatbin is a fatbin with one entry of PTX.
func PTXFatbin(text []byte) []byte {
	entry := make([]byte, entryBytes)
	entry[0] = 1
	little.PutUint32(entry[4:], entryBytes)
	little.PutUint64(entry[8:], uint64(len(text)))
	head := make([]byte, headerBytes)
	little.PutUint32(head, 0xBA55ED50)
	little.PutUint16(head[6:], headerBytes)
	little.PutUint64(head[8:], uint64(len(entry)+len(text)))
	return bytes.Join([][]byte{head, entry, text}, nil)
}

// SampleDLL has one of everything.
func SampleDLL() dll.DLL {
	return dll.DLL{
		Name: "sample.dll", Timestamp: 1_700_000_000, PDB: `D:\a\_work\sample.pdb`,
		Exports: []string{"zeta", "alpha", "middle"},
		Imports: []dll.Import{{Library: "KERNEL32.dll", Symbols: []string{"CreateThread", "Sleep"}}, {Library: "WS2_32.dll", Symbols: []string{"#23", "connect"}}},
		Delayed: []dll.Import{{Library: "nvcuda.dll", Symbols: []string{"cuInit", "#7"}}},
	}
}
