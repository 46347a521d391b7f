package matrix

import (
	"fmt"
	"strings"
	"testing"
)

// thousand is a definition with more than a thousand cells: the built-in definition plus torches that do not exist.
func thousand(tb testing.TB) []byte {
	tb.Helper()
	var text strings.Builder
	text.Write(defaultDefinition)
	for minor := 50; minor < 73; minor++ {
		fmt.Fprintf(&text, `
torch "2.%[1]d" {
  cuda   = ["13.0", "13.2"]
  python = ["3.11", "3.12", "3.13", "3.14", "3.15"]
  source = "made up, to measure"
}

cells {
  package  = "sage2"
  platform = ["linux", "linux-arm64", "windows"]
  torch    = "2.%[1]d.0"
  cuda     = ["13.0.2", "13.2.2"]
  python   = ["3.11", "3.12", "3.13", "3.14", "3.15"]
}
`, minor)
	}
	return []byte(text.String())
}

func TestThousandCells(t *testing.T) {
	m, err := Parse("thousand.hcl", thousand(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Cells()) < 1000 {
		t.Errorf("%d cells", len(m.Cells()))
	}
	selected, err := m.Select([]string{"everything"})
	if err != nil || len(selected) != len(m.Cells()) {
		t.Errorf("everything is %d targets of %d, %v", len(selected), len(m.Cells()), err)
	}
}

// From the text of a definition to the selection of all its builds and tests.
func BenchmarkThousandCells(b *testing.B) {
	text := thousand(b)
	for b.Loop() {
		m, err := Parse("thousand.hcl", text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Select([]string{"everything", "test-*"}); err != nil {
			b.Fatal(err)
		}
	}
}
