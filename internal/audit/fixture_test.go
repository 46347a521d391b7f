package audit

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

var update = flag.Bool("update", false, "write the wheels in testdata, which scripts of the command line audit")

// TestFixtureWheels wants a wheel without errors and one whose library needs a newer glibc than its name promises.
func TestFixtureWheels(t *testing.T) {
	for name, c := range map[string]struct {
		files []file
		fails bool
	}{
		fixtureName: {[]file{{"fixture/a.fatbin", wheeltest.Fixture(t, "size.fatbin")}, {"fixture/lib.so", wheeltest.Fixture(t, "good.so")}}, false},
		"fixture-1.1-py3-none-manylinux_2_17_x86_64.whl": {[]file{{"fixture/a.fatbin", wheeltest.Fixture(t, "speed.fatbin")}, {"fixture/lib.so", wheeltest.Fixture(t, "new_glibc.so")}}, true},
	} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, pack(t, name, c.files...), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Run(path, defaults(t))
		if err != nil || r.Failed() != c.fails {
			t.Errorf("%s: failed %v, error %v", name, r.Failed(), err)
		}
	}
}
