package wheel

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// BenchmarkVerify reads a wheel shaped like ours: most bytes are one fatbin of 64 MiB, which compresses by about
// half. MB/s counts unpacked bytes.
func BenchmarkVerify(b *testing.B) {
	s := goodWheel(b)
	random := rand.New(rand.NewPCG(1, 2))
	filler := make([]byte, 64<<20)
	for at := range filler {
		if at/512%2 == 0 {
			filler[at] = byte(random.Uint32())
		}
	}
	s.set("sageattention/lib/filler.fatbin", ptxFatbin(filler))
	path := s.write(b)
	want := goodExpectation()
	b.SetBytes(int64(len(filler)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Verify(path, want); err != nil {
			b.Fatal(err)
		}
	}
}

// ptxFatbin is a container with one entry of PTX.
func ptxFatbin(text []byte) []byte {
	entry := make([]byte, entryHeaderBytes)
	entry[0] = 1
	little.PutUint32(entry[4:], entryHeaderBytes)
	little.PutUint64(entry[8:], uint64(len(text)))
	head := make([]byte, fatbinHeaderBytes)
	little.PutUint32(head, fatbinMagic)
	little.PutUint16(head[6:], fatbinHeaderBytes)
	little.PutUint64(head[8:], uint64(len(entry)+len(text)))
	return bytes.Join([][]byte{head, entry, text}, nil)
}

// BenchmarkFatbin reads a fatbin of five cubins, plain and compressed.
func BenchmarkFatbin(b *testing.B) {
	for _, name := range []string{"plain.fatbin", "speed.fatbin", "size.fatbin"} {
		b.Run(name, func(b *testing.B) {
			data := fixture(b, name)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseFatbins(contentOf(data), newBudget()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
