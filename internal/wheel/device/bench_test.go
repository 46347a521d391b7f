package device

import (
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// BenchmarkFatbin reads a fatbin of five cubins, plain and compressed.
func BenchmarkFatbin(b *testing.B) {
	for _, name := range []string{"plain.fatbin", "speed.fatbin", "size.fatbin"} {
		b.Run(name, func(b *testing.B) {
			data := wheeltest.Fixture(b, name)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFatbins(content.Of(data), content.NewBudget()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
