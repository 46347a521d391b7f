package wheel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
	"github.com/sagebuild/sagebuild/internal/wheel/device"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

// compiledWheel is a good wheel with the record of its native code, as the steps of a build write it.
func compiledWheel(t testing.TB) (*sample, *Compiled) {
	s := goodWheel(t)
	record := &Compiled{Format: 1, Files: map[string]string{}}
	for _, name := range []string{libraryName, fatbinName} {
		record.Files[name] = hexSum(s.data(name))
	}
	for _, piece := range device.Pieces(content.Of(s.data(fatbinName)), content.NewBudget()) {
		sum, err := hashCode(piece.Content)
		if err != nil {
			t.Fatal(err)
		}
		image := Image{Cubin: piece.Name, SHA256: sum, Kernels: map[string]CheckedKernel{"scale": {Instructions: 40}}}
		if strings.HasPrefix(piece.Name, "ptx") {
			image = Image{PTX: piece.Name, SHA256: sum}
		}
		record.Images = append(record.Images, image)
	}
	s.setCompiled(t, record)
	return s, record
}

func (s *sample) setCompiled(t testing.TB, record *Compiled) {
	t.Helper()
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	s.set(sampleInfo+"/"+CompiledFile, text)
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func problemsOf(t testing.TB, s *sample) []finding.Finding {
	t.Helper()
	w, err := Open(s.write(t))
	if err != nil {
		t.Fatal(err)
	}
	return w.Check(goodExpectation())
}

func TestCompiledCodeIsInTheWheel(t *testing.T) {
	s, record := compiledWheel(t)
	if len(record.Images) != 6 {
		t.Fatalf("%d images, want five cubins and PTX", len(record.Images))
	}
	if found := problemsOf(t, s); len(found) > 0 {
		t.Errorf("a wheel as it was compiled:%s", lines(found))
	}
}

// A byte that flips in a cache after the compile gets a RECORD that is right, and into a wheel in which all else agrees.
func TestFlippedByteIsFound(t *testing.T) {
	for name, member := range map[string]string{"an instruction": fatbinName, "the library": libraryName} {
		t.Run(name, func(t *testing.T) {
			s, _ := compiledWheel(t)
			data := append([]byte(nil), s.data(member)...)
			at := len(data) / 2
			if member == fatbinName {
				at = strings.Index(string(data), ".nv.compat") // in the strings of the first cubin
			}
			data[at] ^= 1
			s.set(member, data)
			found := problemsOf(t, s)
			if got := codes(found); len(got) == 0 || got[0] != finding.CodeCompiled {
				t.Errorf("found%s", lines(found))
			}
			text := lines(found)
			if !strings.Contains(text, member+": it is not what was compiled") || member == fatbinName && !strings.Contains(text, ": cubin SM ") {
				t.Errorf("found%s", text)
			}
		})
	}
}

// What nvFatbin drops of PTX does not count, and all the rest does.
func TestPlainPTX(t *testing.T) {
	for _, test := range []struct{ a, b string }{
		{"//\n// x\n.version 9.0 // c\n.target sm_90\n\tret;\x00\x00", ".version 9.0\n.target sm_90\nret;"},
		{"", "// nothing\n"},
	} {
		if a, b := string(plainPTX([]byte(test.a))), string(plainPTX([]byte(test.b))); a != b {
			t.Errorf("%q and %q", a, b)
		}
	}
	if string(plainPTX([]byte(".version 9.0"))) == string(plainPTX([]byte(".version 9.1"))) {
		t.Error("another version is the same")
	}
}

func TestCompiledRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*sample, *Compiled)
		want   string
	}{
		"a lost image": {func(_ *sample, c *Compiled) {
			c.Images = append(c.Images, Image{Cubin: "lost.sm_90.cubin", SHA256: "00"})
		}, fatbinName + ": it lacks what was compiled: lost.sm_90.cubin"},
		"another image":  {func(_ *sample, c *Compiled) { c.Images = c.Images[1:] }, "it is not what was compiled: cubin SM 7.0"},
		"a lost library": {func(_ *sample, c *Compiled) { c.Files["sageattention/lib/other.so"] = "00" }, "sageattention/lib/other.so: compiled.json names it, the wheel does not hold it"},
		"a new format":   {func(_ *sample, c *Compiled) { c.Format = 2 }, "its format is 2, and 1 is read"},
	} {
		t.Run(name, func(t *testing.T) {
			s, record := compiledWheel(t)
			test.change(s, record)
			s.setCompiled(t, record)
			found := problemsOf(t, s)
			if len(found) != 1 || found[0].Code != finding.CodeCompiled || !strings.Contains(found[0].String(), test.want) {
				t.Errorf("want one finding with %q, found%s", test.want, lines(found))
			}
		})
	}
	s, _ := compiledWheel(t)
	s.set(sampleInfo+"/"+CompiledFile, []byte("{"))
	if found := problemsOf(t, s); len(found) != 1 || found[0].Code != finding.CodeCompiled {
		t.Errorf("half a record: found%s", lines(found))
	}
}

func FuzzParseCompiled(f *testing.F) {
	f.Add([]byte(`{"format":1,"images":[{"cubin":"a.sm_90.cubin","sha256":"00","kernels":{"a":{"instructions":1,"tensor":{"HMMA":2}}}}],"files":{"a":"00"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseCompiled(data); err == nil && c.Format != compiledFormat {
			t.Errorf("format %d is taken", c.Format)
		}
	})
}
