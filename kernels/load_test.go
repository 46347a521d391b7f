package kernels

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

func parseImage(t *testing.T, text string) Image {
	t.Helper()
	name, ptx := strings.CutPrefix(text, "PTX")
	arch, err := ParseArch(name)
	if err != nil {
		t.Fatal(err)
	}
	return Image{arch, ptx}
}

// loadCase is a line of testdata/loads.txt.
type loadCase struct {
	images  []Image
	sm      matrix.SM
	way, of string
}

func loadCases(t *testing.T) []loadCase {
	t.Helper()
	file, err := os.Open("testdata/loads.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []loadCase
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) != 4 {
			t.Fatalf("%q has %d columns", lines.Text(), len(fields))
		}
		sm, err := matrix.ParseSM(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		c := loadCase{sm: sm, way: strings.ReplaceAll(fields[2], "-", " "), of: strings.Replace(fields[3], "PTX", "PTX ", 1)}
		for _, image := range strings.Split(fields[0], ",") {
			c.images = append(c.images, parseImage(t, image))
		}
		cases = append(cases, c)
	}
	return cases
}

func TestLoad(t *testing.T) {
	cases := loadCases(t)
	if len(cases) < 50 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		image, way := Load(c.images, c.sm)
		of := image.String()
		if way == None {
			of = "-"
		}
		if way.String() != c.way || of != c.of {
			t.Errorf("%v on SM %s: %s from %s, want %s from %s", c.images, c.sm, way, of, c.way, c.of)
		}
	}
}

// The driver does not care in which order images lie in a fatbin.
func TestLoadIgnoresOrder(t *testing.T) {
	for _, c := range loadCases(t) {
		forward, _ := Load(c.images, c.sm)
		backward := make([]Image, 0, len(c.images))
		for at := len(c.images) - 1; at >= 0; at-- {
			backward = append(backward, c.images[at])
		}
		if back, _ := Load(backward, c.sm); back != forward {
			t.Errorf("%v on SM %s: %s, but %s the other way round", c.images, c.sm, forward, back)
		}
	}
}

func TestParseArch(t *testing.T) {
	for text, want := range map[string]string{
		"8.9": "8.9", "89": "8.9", "9.0a": "9.0a", "sm_90a": "9.0a", "SM90": "9.0", "compute_120f": "12.0f", "12.1": "12.1", "sm121": "12.1",
	} {
		arch, err := ParseArch(text)
		if err != nil || arch.String() != want {
			t.Errorf("%q gives %s, %v, want %s", text, arch, err, want)
		}
		var read Arch
		written, _ := arch.MarshalText()
		if err := read.UnmarshalText(written); err != nil || read != arch {
			t.Errorf("%s is read back as %s: %v", arch, read, err)
		}
	}
	for _, text := range []string{"", "9", "9.0b", "9.0af", "a", "09.0", "9.00", "9.0 ", "sm_", "123.4"} {
		if arch, err := ParseArch(text); err == nil {
			t.Errorf("%q gives %s", text, arch)
		}
	}
}
