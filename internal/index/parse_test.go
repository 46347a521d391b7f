package index

import (
	"strings"
	"testing"

	pep440 "github.com/aquasecurity/go-pep440-version"

	"github.com/sagebuild/sagebuild/matrix"
)

func TestParseBuildTag(t *testing.T) {
	for tag, want := range map[string]string{
		"280.129": "2.8.0 12.9 simple/cu129/torch2.8", "271.128": "2.7.1 12.8 simple/cu128/torch2.7",
		"2100.130": "2.10.0 13.0 simple/cu130/torch2.10", "2151.132": "2.15.1 13.2 simple/cu132/torch2.15",
	} {
		channel, err := ParseBuildTag(tag)
		if got := channel.Torch.String() + " " + channel.CUDA.String() + " " + channel.Dir(); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", tag, got, err, want)
		}
	}
	for _, tag := range []string{"1", "28.129", "280", "280.12", "280.0129", "080.129", "280.129a", "280.129.1", "20001.129"} {
		if channel, err := ParseBuildTag(tag); err == nil {
			t.Errorf("%s is %v, want an error", tag, channel)
		}
	}
}

// The tags of the matrix mean what the matrix meant.
func TestBuildTagsOfTheMatrix(t *testing.T) {
	m, err := matrix.Load("")
	must(t, err)
	for _, cell := range m.Cells() {
		channel, err := ParseBuildTag(cell.BuildTag())
		if cell.Universal && channel.IsUniversal() {
			continue
		}
		if err != nil || channel.Torch != cell.Torch || channel.CUDA != cell.CUDA.Minor() || channel.Requirement() != cell.TorchRequirement() {
			t.Errorf("%s: %v, %v", cell.BuildTag(), channel, err)
		}
	}
}

func FuzzParseBuildTag(f *testing.F) {
	f.Add("280.129")
	f.Add("2100.130")
	f.Fuzz(func(t *testing.T, tag string) {
		channel, err := ParseBuildTag(tag)
		if err != nil || tag == "" {
			return
		}
		if back := channel.Torch.Digits() + "." + channel.CUDA.Digits(); back != tag {
			t.Errorf("%q reads as %v, which is %q", tag, channel, back)
		}
	})
}

func TestSatisfies(t *testing.T) {
	for _, test := range []struct {
		version, specifier string
		want               bool
	}{
		{"2.8.0", "==2.8.*", true}, {"2.8", "==2.8.*", true}, {"2.80", "==2.8.*", false}, {"2.7.1", "==2.8.*", false},
		{"3.12", ">=3.12,<3.13", true}, {"3.12.4", ">=3.12,<3.13", true}, {"3.13", ">=3.12,<3.13", false}, {"3.9", ">=3.10", false},
		{"2.8.0", "==2.8", true}, {"2.8", "==2.8.0", true}, {"2.8.1", "!=2.8.0", true}, {"2.8", "<=2.8.0", true}, {"2.8.0", ">2.8", false},
		{"2.8.0", "", true}, {"2.8.0", "~=2.8", true}, {"2.8.3", "~=2.8.1", true}, {"2.9.0", "~=2.8.1", false}, {"2.8.0", "~=2", false},
		{"2.8.0", ">=2.8a1", true}, {"2.8.0", ">=2.*", false}, {"2.8.0", "===2.8.0", false}, {"2.8.0", "torch", false},
		// Before the final release, as pip judges what is installed.
		{"2.8.0.dev20250324+cu126", "==2.8.*", true}, {"2.8.0a0+5228986c39.nv25.5", "==2.8.*", true}, {"2.8.0a0", ">=2.4", true},
		{"2.8.0a0", ">=2.8", false}, {"2.8.0rc1", "<2.8", false}, {"2.8.0+cu129", "==2.8.0", true}, {"2.8.0+cu129", "==2.8.0+cu128", false},
		{"2.8.0.post1", ">2.8.0", false}, {"2.8.0+cu129", ">2.8.0", false},
	} {
		if got := satisfies(pep440.MustParse(test.version), test.specifier); got != test.want {
			t.Errorf("%s %s is %v", test.version, test.specifier, got)
		}
	}
}

func FuzzSatisfies(f *testing.F) {
	f.Add("2.8.0", "==2.8.*,!=2.8.1")
	f.Add("3.12", ">= 3.9 , <4")
	f.Fuzz(func(t *testing.T, text, specifier string) {
		version, err := pep440.Parse(text)
		if err != nil {
			return
		}
		if satisfies(version, specifier) && !satisfies(version, specifier+",") {
			t.Errorf("%q stops serving %s with a comma", specifier, text)
		}
	})
}

func TestRequirementOf(t *testing.T) {
	for requirement, want := range map[string]string{
		"torch==2.8.*": "==2.8.*", "torch >= 2.4": ">= 2.4", "Torch (>=2.4)": ">=2.4", "torch": "",
	} {
		if got, ok := requirementOf("torch", []string{"numpy>=1", requirement}); !ok || got != want {
			t.Errorf("%q: %q, %v", requirement, got, ok)
		}
	}
	for _, requirement := range []string{"torchvision==0.2", "torch[opt]==2.8.*", `torch; extra == "x"`} {
		if got, ok := requirementOf("torch", []string{requirement}); ok {
			t.Errorf("%q: %q", requirement, got)
		}
	}
}

func TestParseManifestRefuses(t *testing.T) {
	p := newPlace(t, of280())
	p.build()
	good := p.read(ManifestFile)
	if _, err := ParseManifest([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for old, bad := range map[string]string{
		`"format": 1`:                     `"format": 2`,
		`"project": "sageattention"`:      `"project": "../../etc"`,
		`"version": "2.2.0"`:              `"version": "2.3.0"`,
		`"cuda": "12.9"`:                  `"cuda": "12.8"`,
		`"sha256": "`:                     `"sha256": "xx`,
		`"filename": "sageattention-2.2`:  `"filename": "../sageattention-2.2`,
		`"requiresPython": ">=3.12,<3.1`:  `"sms": ["9.0", "$(id)"], "requiresPython": ">=3.12,<3.1`,
		`"torch==2.8.*"`:                  `"torch==2.8.*\u001b[2J"`,
		`"filename": "sageattention-2.2.`: `"filename": "sageattention-2.3.`,
	} {
		text := strings.Replace(good, old, bad, 1)
		if text == good {
			t.Fatalf("no %s in %s", old, good)
		}
		if _, err := ParseManifest([]byte(text)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	hash := strings.Repeat("0a", 32)
	seed := []byte(`{"format": 1, "wheels": [{"filename": "a-1-280.129-py3-none-any.whl", "project": "a", "version": "1", "sms": ["9.0a"],
		"channel": {"torch": "2.8.0", "cuda": "12.9"}, "sha256": "` + hash + `", "metadataSha256": "` + hash + `"}]}`)
	if _, err := ParseManifest(seed); err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseManifest(text)
		if err != nil {
			return
		}
		for _, entry := range m.Wheels {
			if path := entry.Path(); !strings.HasPrefix(path, "simple/") || strings.Contains(path, "..") && strings.Contains(path, "/../") {
				t.Errorf("path %q", path)
			}
		}
	})
}
