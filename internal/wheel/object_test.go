package wheel

import (
	"bytes"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// TestObjectDamage overwrites each 8-byte field of the headers: errors are welcome, panics are not.
func TestObjectDamage(t *testing.T) {
	for _, name := range []string{"good.so", "sm_90a.cubin"} {
		data := wheeltest.Fixture(t, name)
		for at := 0; at+8 <= min(len(data), 8192); at += 8 {
			for _, value := range []uint64{0, 1, 1 << 31, 1<<63 - 1, 1<<64 - 1} {
				damaged := bytes.Clone(data)
				little.PutUint64(damaged[at:], value)
				r := &reading{left: content.NewBudget()}
				r.readContent(name, content.Of(damaged))
			}
		}
	}
}
