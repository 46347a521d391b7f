package matrix

import (
	"slices"
	"strings"
	"testing"
)

// The wheels of sage3 begin with torch 2.8 and CUDA 12.8, on every platform, and hold code for Blackwell alone.
func TestSage3Cells(t *testing.T) {
	m := load(t, "")
	cells := m.cellsWhere(func(c Cell) bool { return c.Package.Name == "sage3" })
	count := map[string]int{}
	for _, cell := range cells {
		count[cell.Platform.Name+" "+cell.TorchWords()+" "+cell.CUDA.Minor().String()]++
		want := "10.0 12.0 12.1"
		if cell.CUDA.Minor().String() == "12.8" {
			want = "10.0 12.0"
		}
		if got := words(cell.SMs); got != want {
			t.Errorf("%s: SMs %s, want %s", cell.Target(), got, want)
		}
		if got := words(cell.PTX); got != "12.0" {
			t.Errorf("%s: PTX %s", cell.Target(), got)
		}
	}
	for _, platform := range m.Platforms() {
		for row, want := range map[string]int{
			"2.8.0 12.8": 1, "2.8.0 12.9": 5, "2.9.1 12.8": 5, "2.9.1 13.0": 5, "2.11.0 13.0": 5, "2.15.0 13.2": 5, "2.8+ 12.9": 1,
		} {
			if got := count[platform.Name+" "+row]; got != want {
				t.Errorf("%s has %d wheels for %s, want %d", platform.Name, got, row, want)
			}
		}
	}
	if len(cells) != 3*(1+5+6*10+10+1) {
		t.Errorf("%d cells: %v", len(cells), targetsOf(cells))
	}
}

func TestSage3Names(t *testing.T) {
	m := load(t, "")
	cell, _ := m.cell("linux-sage3-pytorch28-cu129-python312")
	universal, _ := m.cell("linux-arm64-sage3-universal")
	compareNames(t, map[string][2]string{
		"wheel":              {cell.WheelName(), "sageattn3-1.0.0-280.129-cp312-cp312-linux_x86_64.whl"},
		"test target":        {strings.Join(cell.TestTargets(), " "), "test-linux-sage3-pytorch28-cu129-python312"},
		"torch requirement":  {cell.TorchRequirement(), "torch==2.8.*"},
		"native directory":   {cell.Package.NativeDir(), "sageattn3/lib"},
		"universal wheel":    {universal.WheelName(), "sageattn3-1.0.0-py3-none-manylinux_2_17_aarch64.whl"},
		"universal torch":    {universal.TorchRequirement(), "torch>=2.8"},
		"universal Python":   {universal.PythonRequirement(), ">=3.9"},
		"why not SM 8.9":     {reasonFor(cell, SM{8, 9}), "sageattn3 has code for SM 10.0, 12.0 and 12.1 alone"},
		"why not SM 12.1":    {reasonFor(mustCell(m, "linux-sage3-pytorch28-cu128-python312"), SM{12, 1}), "12.1 needs CUDA 12.9 or newer"},
		"SMs of the package": {words(m.SMsOf(m.Packages()[1])), "10.0 12.0 12.1"},
	})
}

func mustCell(m *Matrix, target string) Cell {
	cell, _ := m.cell(target)
	return cell
}

func reasonFor(cell Cell, sm SM) string {
	at := slices.IndexFunc(cell.Excluded, func(e Exclusion) bool { return e.SM == sm })
	if at < 0 {
		return ""
	}
	return cell.Excluded[at].Reason()
}

func TestSage3Groups(t *testing.T) {
	m := load(t, "")
	groups := groupsOf(m)
	home := m.cellsWhere(func(c Cell) bool { return c.Package.Name == "sage3" && c.Platform.Name == "linux" && !c.Universal })
	for name, want := range map[string][]string{
		"sage3-all":       targetsOf(home),
		"test-sage3-all":  testTargets(home),
		"sage3-universal": {"linux-sage3-universal", "linux-arm64-sage3-universal", "windows-sage3-universal"},
		"test-sage3-universal": {
			"test-linux-sage3-universal-pytorch28-python312", "test-linux-sage3-universal-pytorch215-python312",
			"test-linux-arm64-sage3-universal-pytorch28-python312", "test-windows-sage3-universal-pytorch28-python312",
		},
	} {
		if !slices.Equal(groups[name], want) {
			t.Errorf("group %s holds %v, want %v", name, groups[name], want)
		}
	}
	for _, name := range []string{"pytorch29", "python313", "current", "everything", "linux-all"} {
		if !slices.ContainsFunc(groups[name], func(target string) bool { return strings.Contains(target, "-sage3-") }) {
			t.Errorf("group %s has no wheel of sage3", name)
		}
	}
}
