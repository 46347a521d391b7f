package kernels

import (
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

// Of what both get from the same PTX, or for a target with a suffix, an SM has the code of its twin.
func TestTwins(t *testing.T) {
	m, k := defaults(t)
	want := map[string]string{
		"mma/attention_fp16_sm80.cu 8.9": "8.6", "mma/attention_fp16_biased_sm80.cu 8.9": "8.6", "mma/attention_fp16_accum_f16_sm80.cu 8.9": "8.6",
		"mma/pack_mask.cu 8.9": "8.6", "mma/attention_fp16_masked_sm80.cu 8.9": "8.6", "quantize/quantize.cu 8.9": "8.6",
		"fp4/attention_fp4_sm120.cu 12.1": "12.0", "fp4/quantize_fp4_sm120.cu 12.1": "12.0", "mma/attention_fp8_scaled_sm120.cu 12.1": "12.0",
	}
	for _, sm := range m.SMs() {
		for _, source := range k.For(sm) {
			name := source.File + " " + sm.String()
			of, found := k.TwinOf(m, source, sm)
			if found != (want[name] != "") || found && of.String() != want[name] {
				t.Errorf("%s: %s, %v; want %q", name, of, found, want[name])
			}
			delete(want, name)
		}
	}
	if len(want) > 0 {
		t.Errorf("not seen: %v", want)
	}
}

// A wheel without the older SM, and one whose PTX is the newer's, have it compiled.
func TestACellNeedsItsOwnCode(t *testing.T) {
	m, _ := defaults(t)
	sm, of := matrix.SM{Major: 8, Minor: 9}, matrix.SM{Major: 8, Minor: 6}
	cell := m.Cells()[0]
	for _, test := range []struct {
		sms  []matrix.SM
		want bool
	}{{[]matrix.SM{of}, false}, {[]matrix.SM{of, sm}, false}, {[]matrix.SM{sm}, true}} {
		if cell.SMs = test.sms; needsOwn(m, cell, sm, of) != test.want {
			t.Errorf("%v: want %v", test.sms, test.want)
		}
	}
	cell.SMs = []matrix.SM{of, m.PTXOf(cell.CUDA)}
	if !needsOwn(m, cell, m.PTXOf(cell.CUDA), of) {
		t.Error("the PTX of a wheel is made of no cubin")
	}
}

func TestRowsOfTwinsAreChecked(t *testing.T) {
	row := func(sm, of string) string { return "[[twin]]\nsm = \"" + sm + "\"\nof = \"" + of + "\"\n" }
	for rows, message := range map[string]string{
		row("8.9", "8.6") + row("8.9", "8.0"): "SM 8.9 has two rows [[twin]]",
		row("9.0", "8.6"):                     "SM 9.0 is no twin of 8.6",
		row("8.6", "8.9"):                     "SM 8.6 is no twin of 8.9",
		row("8.9", "8.6") + row("8.6", "8.0"): "SM 8.9 is a twin of 8.6, which is one itself",
		"[[twin]]\nsms = []\n":                `unknown key "twin.sms"`,
	} {
		text := "packages = [\"sage2\"]\n[[source]]\nfile = \"quantize.cu\"\nkernels = [\"mean\"]\nsms = [\"8.6\", \"8.9\"]\n" + rows
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %s", rows, err, message)
		}
	}
}
