package kernels

import (
	"strings"
	"testing"

	"github.com/sagebuild/sagebuild/matrix"
)

func TestSharedPTX(t *testing.T) {
	k, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range k.Sources {
		for _, want := range []struct{ file, sm, of string }{
			{"mma/attention_fp16_sm80.cu", "8.7", "8.0"},
			{"mma/attention_fp16_sm80.cu", "12.0", "10.0"},
			{"mma/attention_fp16_sm80.cu", "8.0", "8.0"},
			{"mma/attention_fp8_sm89.cu", "9.0", ""},
		} {
			if source.File != want.file {
				continue
			}
			sm, err := matrix.ParseSM(want.sm)
			if err != nil {
				t.Fatal(err)
			}
			of, shared := source.PTXOf(sm)
			if shared != (want.of != "") || shared && of.String() != want.of {
				t.Errorf("%s for %s: %s, %v; want %q", source.File, want.sm, of, shared, want.of)
			}
		}
	}
}

func TestMistakesInSharedPTX(t *testing.T) {
	for lists, want := range map[string]string{
		`[["8.0"]]`:                        "two or more, from old to new",
		`[["8.6", "8.0"]]`:                 "two or more, from old to new",
		`[["8.0", "9.0"]]`:                 "shares PTX for SM 9.0, which is none of its sms",
		`[["8.0", "8.6"], ["8.6", "8.7"]]`: "shares PTX for SM 8.6 twice",
	} {
		text := "packages = [\"sage2\"]\n[[source]]\nfile = \"quantize.cu\"\nkernels = [\"mean\"]\nsms = [\"8.0\", \"8.6\", \"8.7\"]\nptx = " + lists
		if _, err := parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", lists, err, want)
		}
		suffixed := strings.Replace(text, "ptx =", "suffix = \"a\"\nptx =", 1)
		if _, err := parse([]byte(suffixed)); err == nil {
			t.Errorf("%s: no error with a suffix", lists)
		}
	}
}
