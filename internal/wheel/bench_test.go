package wheel

import (
	"math/rand/v2"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// BenchmarkCheck reads a wheel shaped like ours: most bytes are one fatbin of 64 MiB, which compresses by about
// half. MB/s counts unpacked bytes.
func BenchmarkCheck(b *testing.B) {
	s := goodWheel(b)
	random := rand.New(rand.NewPCG(1, 2))
	filler := make([]byte, 64<<20)
	for at := range filler {
		if at/512%2 == 0 {
			filler[at] = byte(random.Uint32())
		}
	}
	s.set("sageattention/lib/filler.fatbin", wheeltest.PTXFatbin(filler))
	path := s.write(b)
	want := goodExpectation()
	b.SetBytes(int64(len(filler)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Check(path, want); err != nil {
			b.Fatal(err)
		}
	}
}
