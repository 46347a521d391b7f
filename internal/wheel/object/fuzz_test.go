package object

import (
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/elffile"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

func FuzzVersions(f *testing.F) {
	i, err := elffile.Read(content.Of(wheeltest.Fixture(f, "new_glibc.so")), finding.CodeObjectFormat)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range i.Sections {
		if s.Name == ".gnu.version_r" {
			data, _ := i.Data(&s, 1<<20, finding.CodeObjectFormat)
			names, _ := i.Linked(&s, finding.CodeObjectFormat)
			f.Add(data, []byte(names.Text), uint32(2))
		}
	}
	f.Fuzz(func(t *testing.T, data, names []byte, count uint32) {
		versions, err := parseVersions(data, elffile.NewStrings(names), count)
		if err == nil && len(versions) > len(data)/vernauxBytes*(len(data)/verneedBytes+1) {
			t.Errorf("%d versions of %d bytes", len(versions), len(data))
		}
		floor(versions, "GLIBC_")
	})
}
