package audit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// TestCompare changes an SM's code, a library and a dependency from one wheel to the next.
func TestChangesOf(t *testing.T) {
	a := audited(t, defaults(t), "fixture-1.0-py3-none-linux_x86_64.whl",
		file{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")}, file{"fixture/lib.so", sharedObject([]string{"old", "both"}, []string{"need_old"})})
	b := audited(t, defaults(t), "fixture-1.1-py3-none-linux_x86_64.whl",
		file{"fixture/a.fatbin", wheeltest.Fixture(t, "size.fatbin")}, file{"fixture/lib.so", sharedObject([]string{"both", "newer"}, []string{"need_new"})},
		file{"fixture/x.cubin", wheeltest.Fixture(t, "sm_90a_cuda13.cubin")})
	d := ChangesOf(a, b)
	if len(d.Code) != 6 || d.Code[0].Arch.String() != "7.0" || d.Code[0].A <= d.Code[0].B || d.Code[0].B == 0 {
		t.Errorf("code %+v", d.Code)
	}
	var files []string
	for _, f := range d.Files {
		files = append(files, fmt.Sprint(f.Name, " ", f.A < 0, f.B < 0))
	}
	// METADATA has the same size on both sides, whatever the name of .dist-info.
	want := []string{".dist-info/RECORD false false", "fixture/a.fatbin false false", "fixture/lib.so false false", "fixture/x.cubin true false"}
	if !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	var symbols []string
	for _, s := range d.Symbols {
		symbols = append(symbols, s.Side+" "+s.Kind+" "+s.Name)
	}
	if want := []string{"b undefined need_new", "a undefined need_old", "b exported newer", "a exported old"}; !slices.Equal(symbols, want) {
		t.Errorf("symbols %q, want %q", symbols, want)
	}
	if len(d.Kernels) != 3 || d.Kernels[0].A != nil || d.Kernels[0].B == nil || d.Kernels[0].Name != "permute" {
		t.Errorf("kernels %+v", d.Kernels)
	}
	checkDiffText(t, d)
}

func checkDiffText(t *testing.T, d *Changes) {
	t.Helper()
	var text bytes.Buffer
	if err := d.WriteText(&text, false, 2); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fixture-1.1", "- → 10", "+ undefined", "… and 2 more", "… and 1 more"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, text.String())
		}
	}
}

func TestCompareWithItself(t *testing.T) {
	a := audited(t, defaults(t), fixtureName, file{"fixture/a.fatbin", wheeltest.Fixture(t, "plain.fatbin")}, file{"fixture/lib.so", wheeltest.Fixture(t, "good.so")})
	if d := ChangesOf(a, a); len(d.Files)+len(d.Symbols)+len(d.Kernels) != 0 || d.Code[0].A != d.Code[0].B {
		t.Errorf("%+v", d)
	}
}
