package wheel

import (
	"slices"
	"strings"
	"testing"
)

func TestParseFilename(t *testing.T) {
	cases := []struct {
		name, distribution, version, build string
		tags                               int
	}{
		{"sageattention-2.2.0-280.129-cp312-cp312-linux_x86_64.whl", "sageattention", "2.2.0", "280.129", 1},
		{"torch-2.8.0+cu129-cp312-cp312-manylinux_2_28_x86_64.whl", "torch", "2.8.0+cu129", "", 1},
		{"six-1.16.0-py2.py3-none-any.whl", "six", "1.16.0", "", 2},
		{"numpy-2.0.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "numpy", "2.0.0", "", 2},
		{"a-1!2-1-py3-none-any.whl", "a", "1!2", "1", 1},
	}
	for _, c := range cases {
		got, err := ParseFilename(c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Distribution != c.distribution || got.Version != c.version || got.BuildTag != c.build || len(got.Tags()) != c.tags {
			t.Errorf("%s: %+v", c.name, got)
		}
		if got.String() != c.name {
			t.Errorf("%s: put together again it is %s", c.name, got)
		}
	}
}

func TestParseFilenameRefuses(t *testing.T) {
	for _, name := range []string{
		"", ".whl", "a.whl", "a-1-py3-none.whl", "a-1-b1-py3-none-any.whl", "a-1-py3-none-any.zip",
		"a-1-1-1-py3-none-any.whl", "-1-py3-none-any.whl", "a--py3-none-any.whl", "a-1--py3-none-any.whl",
		"a-1-py3-none-.whl", "a-1-py3..py2-none-any.whl", "dir/a-1-py3-none-any.whl", "a b-1-py3-none-any.whl",
		"a-1-py3-none-any\n.whl", "a-" + strings.Repeat("1", 300) + "-py3-none-any.whl",
	} {
		if got, err := ParseFilename(name); err == nil {
			t.Errorf("%q was read as %+v", name, got)
		}
	}
}

func TestFilenameTagsExpand(t *testing.T) {
	name, err := ParseFilename("a-1-py2.py3-none-linux.win.whl")
	want := []string{"py2-none-linux", "py2-none-win", "py3-none-linux", "py3-none-win"}
	if err != nil || !slices.Equal(name.Tags(), want) {
		t.Errorf("%v, want %v, error %v", name.Tags(), want, err)
	}
}

func TestNormalizeName(t *testing.T) {
	for name, want := range map[string]string{"Sage_Attention": "sage-attention", "a.-_b": "a-b", "torch": "torch"} {
		if got := NormalizeName(name); got != want {
			t.Errorf("%s became %s, want %s", name, got, want)
		}
	}
}
