package kernels

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/internal/diag"
)

const oneKind = `packages = ["sage2"]
[[kind]]
name = "fp8"
values = "e4m3"
sums = "float32"
scale_max = 448.0
mask = false
starts = false
head_dims = [64, 128]
launcher = "attention"
packages = ["sage2"]

[[source]]
kind = "fp8"
file = "mma/attention_fp8_sm89.cu"
sms = ["8.9"]
`

func TestNamesFollowFromKindAndHeadDim(t *testing.T) {
	k, err := parse([]byte(oneKind))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"attention_fp8_hd64", "attention_fp8_hd128"}
	if got := k.Sources[0].Kernels; !slices.Equal(got, want) {
		t.Errorf("kernels %v, want %v", got, want)
	}
	if got := k.Sources[0].Operation(); got != k.Kinds[0].Operation() {
		t.Errorf("operation %s, the kind's is %s", got, k.Kinds[0].Operation())
	}
}

func TestMistakesInKindsPointAtTheirPlace(t *testing.T) {
	for _, test := range []struct{ name, old, new, at, message string }{
		{"unknown key", "mask = false", "masks = 1", "7:1", `unknown key "kind.masks"`},
		{"name", `name = "fp8"`, `name = "FP8"`, "3:8", "lower-case words"},
		{"values", `"e4m3"`, `"e5m2"`, "4:10", `values "e5m2": want 16bit or e4m3 or e2m1`},
		{"sums", `"float32"`, `"float64"`, "5:8", "want float32 or float16"},
		{"launcher", `"attention"`, `"none"`, "10:12", "want attention or wgmma or fp4"},
		{"scale too large", "448.0", "448.5", "6:13", "at most 448"},
		{"no scale", "scale_max = 448.0", "", "2:1", "want more than 0"},
		{"scale of 16-bit values", `"e4m3"`, `"16bit"`, "6:13", "for e4m3 values alone"},
		{"no head dim", "[64, 128]", "[]", "9:13", "no head dim"},
		{"head dims fall", "[64, 128]", "[128, 64]", "9:13", "head dim 64: want multiples of 16 up to 256, rising"},
		{"head dim too large", "[64, 128]", "[64, 512]", "9:13", "head dim 512"},
		{"no package", "attention\"\npackages = [\"sage2\"]", "attention\"\npackages = []", "11:12", "no package"},
		{"unknown package", "attention\"\npackages = [\"sage2\"]", "attention\"\npackages = [\"sage9\"]", "11:12", `package "sage9" is none of sage2`},
		{"packages of a source", `sms = ["8.9"]`, "sms = [\"8.9\"]\npackages = [\"sage2\"]", "15:8", "its packages follow from that"},
		{"kind of a source", `kind = "fp8"`, `kind = "fp4"`, "15:8", `kind "fp4", which has no [[kind]]`},
		{"FP4 without a suffix", "values = \"e4m3\"\nsums = \"float32\"\nscale_max = 448.0", "values = \"e2m1\"\nsums = \"float32\"", "14:8", `only targets with the suffix "a"`},
		{"name of a source", "attention_fp8_sm89", "attention_sm89", "15:8", "begins with attention_fp8_sm"},
		{"kernels of a kind", `sms = ["8.9"]`, "sms = [\"8.9\"]\nkernels = [\"x\"]", "15:8", "follow from that"},
		{"twice", "[[source]]", oneKind[strings.Index(oneKind, "[[kind]]"):strings.Index(oneKind, "[[source]]")] + "[[source]]", "14:8", "two entries"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse([]byte(strings.Replace(oneKind, test.old, test.new, 1)))
			var e *diag.Error
			if !errors.As(err, &e) || e.Class != diag.Usage {
				t.Fatalf("got %v, want a Usage error", err)
			}
			if !strings.HasPrefix(err.Error(), File+":"+test.at) || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %q, want it at %s saying %q", err, test.at, test.message)
			}
		})
	}
}

func TestEveryKindIsUsed(t *testing.T) {
	m, k := defaults(t)
	for _, test := range []struct {
		name    string
		kind    Kind
		message string
	}{
		{"no source", Kind{Name: "fp0", Packages: []string{"sage2"}}, `no source is of kind "fp0"`},
	} {
		changed := *k
		changed.Kinds = append(slices.Clone(k.Kinds), test.kind)
		if err := changed.Check(m); err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.message)
		}
	}
}
