package builder

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestBuildOptions(t *testing.T) {
	source, output := t.TempDir(), filepath.Join(t.TempDir(), "new")
	o, err := buildOptions(Request{
		Dockerfile: []byte("FROM base\n"), Source: source, Target: "it", Stage: "test-report", Output: output,
		Contexts: map[string]string{"base": "oci-layout:///layout@sha256:00", "other": "sub/dir"},
		Args:     map[string]string{"CUDA": "12.9.1"}, Platform: "linux/amd64",
		CacheFrom: []string{"type=local,src=/cache"}, NoCache: true,
	}, machine{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Target != "test-report" || o.Inputs.DockerfileInline != "FROM base\n" || !o.NoCache || o.BuildArgs["CUDA"] != "12.9.1" {
		t.Errorf("stage %q, Dockerfile %q, no cache %v, arguments %v", o.Target, o.Inputs.DockerfileInline, o.NoCache, o.BuildArgs)
	}
	contexts := o.Inputs.NamedContexts
	if o.Inputs.ContextPath != source || contexts["other"].Path != filepath.Join(source, "sub/dir") || contexts["base"].Path != "oci-layout:///layout@sha256:00" {
		t.Errorf("context %s, named %v, want %s", o.Inputs.ContextPath, contexts, source)
	}
	if len(o.Platforms) != 1 || o.Platforms[0].OS != "linux" || o.Platforms[0].Architecture != "amd64" {
		t.Errorf("platforms %v", o.Platforms)
	}
	if len(o.Exports) != 1 || o.Exports[0].OutputDir != output {
		t.Errorf("exports are %v, want one to %s", o.Exports, output)
	}
	if len(o.CacheFrom) != 1 || o.CacheFrom[0].Attrs["src"] != "/cache" {
		t.Errorf("cache sources are %v", o.CacheFrom)
	}
	if o.FrontendAttrs["cmdline"] != "builtin" {
		t.Error("a syntax line in the Dockerfile would reach an image registry")
	}
}

// The commit that is named is that of the request, and only in provenance.
func TestBuildOptionsNameTheSource(t *testing.T) {
	r := Request{Source: t.TempDir(), Output: t.TempDir(), Commit: "abc-dirty", Repository: "https://user:password@git.example/repository"}
	for _, wanted := range []bool{true, false} {
		r.Provenance = wanted
		o, err := buildOptions(r, machine{})
		if err != nil {
			t.Fatal(err)
		}
		if got := o.FrontendAttrs["vcs:revision"]; (got == "abc-dirty") != wanted {
			t.Errorf("provenance %v: commit %q", wanted, got)
		}
		if got := o.FrontendAttrs["vcs:source"]; strings.Contains(got, "password") || strings.HasSuffix(got, "@git.example/repository") != wanted {
			t.Errorf("provenance %v: repository %q", wanted, got)
		}
	}
}

func TestBuildOptionsErrors(t *testing.T) {
	for want, request := range map[string]Request{
		"reading the cache sources: ":      {CacheFrom: []string{"src=/cache"}},
		"reading the cache destinations: ": {CacheTo: []string{"dest=/cache"}},
		"a/b/c/d":                          {Platform: "a/b/c/d"},
	} {
		if _, err := buildOptions(request, machine{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", request, err, want)
		}
	}
}
