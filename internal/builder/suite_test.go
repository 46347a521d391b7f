package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// conformance runs the tests that every builder passes. They share one builder and its cache, so each makes its steps
// its own with its name.
func conformance(t *testing.T, b Builder, tool string) {
	tests := []struct {
		name string
		run  func(*testing.T, *world)
	}{
		{"output", testOutput},
		{"second build is cached", testCached},
		{"no cache", testNoCache},
		{"context from a directory", testDirectoryContext},
		{"context from a layout", testLayoutContext},
		{"arguments", testArguments},
		{"secrets", testSecrets},
		{"certificates", testCertificates},
		{"provenance", testProvenance},
		{"failing step", testFailingStep},
		{"missing file", testMissingFile},
		{"cancel", testCancel},
		{"shared step", testSharedStep},
		{"local cache", testLocalCache},
		{"prune", testPrune},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newWorld(t, b, tool)) })
	}
}

// world is what one test works with: a builder, and a source directory that holds the tool.
type world struct {
	*testing.T
	builder Builder
	source  string
	name    string // in steps and targets, to tell tests apart
}

func newWorld(t *testing.T, b Builder, tool string) *world {
	source := t.TempDir()
	must(t, os.WriteFile(filepath.Join(source, "tool"), []byte(readFile(t, tool)), 0o755))
	return &world{T: t, builder: b, source: source, name: strings.NewReplacer(" ", "-", "/", "-").Replace(t.Name())}
}

// request builds the stages of a Dockerfile whose first lines are given: a stage "run" with the tool in it.
func (w *world) request(lines ...string) Request {
	return Request{
		Dockerfile: []byte("FROM scratch AS run\nCOPY tool /tool\n" + strings.Join(lines, "\n") + "\nFROM scratch AS out\nCOPY --from=run /out /\n"),
		Source:     w.source,
		Target:     "it",
		Stage:      "out",
		Secrets:    []string{"PIP_INDEX_URL", "UV_DEFAULT_INDEX", "NOT_THERE"},
		Output:     w.TempDir(),
	}
}

// step is a RUN of the tool. The name makes it this test's own.
func (w *world) step(args ...string) string {
	return fmt.Sprintf("ENV TEST=%s\nRUN [\"/tool\", %s]", w.name, quoted(args))
}

func quoted(args []string) string {
	var all []string
	for _, a := range args {
		all = append(all, fmt.Sprintf("%q", a))
	}
	return strings.Join(all, ", ")
}

func (w *world) build(r Request) *Result {
	w.Helper()
	result, err := w.builder.Build(w.Context(), r)
	if err != nil {
		w.Fatalf("building %s: %v", r.Target, err)
	}
	return result
}

// file reads an output of r.
func (w *world) file(r Request, name string) string {
	w.Helper()
	data, err := os.ReadFile(filepath.Join(r.Output, name))
	if err != nil {
		w.Fatal(err)
	}
	return string(data)
}

func testOutput(t *testing.T, w *world) {
	r := w.request("WORKDIR /out", w.step("write", "/out/greeting", "hello"))
	result := w.build(r)
	if got := w.file(r, "greeting"); got != "hello" {
		t.Errorf("greeting is %q, want hello", got)
	}
	if result.Cached || result.Steps != 4 || result.CachedSteps >= result.Steps || result.StepTime <= 0 {
		t.Errorf("result is %+v, want four steps, not all cached", *result)
	}
}

func testCached(t *testing.T, w *world) {
	first := w.request("WORKDIR /out", w.step("random", "/out/number"))
	w.build(first)
	second := first
	second.Output = t.TempDir()
	result := w.build(second)
	if !result.Cached || result.CachedSteps != result.Steps || result.Steps == 0 {
		t.Errorf("second build is %+v, want every step cached", *result)
	}
	if a, b := w.file(first, "number"), w.file(second, "number"); a != b {
		t.Errorf("the step ran again: %s, then %s", a, b)
	}
}

func testNoCache(t *testing.T, w *world) {
	first := w.request("WORKDIR /out", w.step("random", "/out/number"))
	w.build(first)
	second := first
	second.Output, second.NoCache = t.TempDir(), true
	if result := w.build(second); result.Cached {
		t.Errorf("result is %+v, want steps that ran", *result)
	}
	if a, b := w.file(first, "number"), w.file(second, "number"); a == b {
		t.Errorf("the step did not run again: %s", a)
	}
}

// base builds FROM a named context that holds the tool and a file.
func (w *world) base(context string) Request {
	r := w.request()
	r.Dockerfile = []byte("FROM base AS run\nWORKDIR /out\n" + w.step("size", "/out/size", "/note") + "\nFROM scratch\nCOPY --from=run /out /\n")
	r.Stage = "" // the last one
	r.Contexts = map[string]string{"base": context}
	return r
}

func testDirectoryContext(t *testing.T, w *world) {
	if err := os.WriteFile(filepath.Join(w.source, "note"), []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := w.base(w.source)
	w.build(r)
	if got := w.file(r, "size"); got != "5 true" {
		t.Errorf("note's size is %q, want 5", got)
	}
}

func testLayoutContext(t *testing.T, w *world) {
	layer := tarLayer(t, map[string]string{"tool": readFile(t, filepath.Join(w.source, "tool")), "note": "1234567"})
	dir, digest := writeImage(t, layer)
	r := w.base("oci-layout://" + dir + "@" + digest)
	w.build(r)
	if got := w.file(r, "size"); got != "7 true" {
		t.Errorf("note's size is %q, want 7", got)
	}
}

func writeImage(t *testing.T, layer v1.Layer) (dir, digest string) {
	t.Helper()
	image, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layer)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(image); err != nil {
		t.Fatal(err)
	}
	hash, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return dir, hash.String()
}

// The request's arguments reach a step; a variable of the environment that has such a name does not.
func testArguments(t *testing.T, w *world) {
	r := w.request("WORKDIR /out", "ARG WORD", "ARG OTHER", w.step("environment", "/out/word", "WORD"), w.step("environment", "/out/other", "OTHER"))
	r.Args = map[string]string{"WORD": "given"}
	t.Setenv("WORD", "from the environment")
	t.Setenv("OTHER", "from the environment")
	w.build(r)
	for name, want := range map[string]string{"word": "true 5", "other": "false 0"} {
		if got := w.file(r, name); got != want {
			t.Errorf("the step saw %s as %q, want %q", name, got, want)
		}
	}
}

const password = "correct-horse-battery-staple"

func testSecrets(t *testing.T, w *world) {
	url := "https://user:" + password + "@index.invalid/simple"
	t.Setenv("PIP_INDEX_URL", url)
	r := w.request("WORKDIR /out",
		"RUN --mount=type=secret,id=PIP_INDEX_URL,env=PIP_INDEX_URL [\"/tool\", \"environment\", \"/out/pip\", \"PIP_INDEX_URL\"]",
		"RUN --mount=type=secret,id=UV_DEFAULT_INDEX,env=UV_DEFAULT_INDEX [\"/tool\", \"environment\", \"/out/uv\", \"UV_DEFAULT_INDEX\"]",
		"RUN --mount=type=secret,id=NOT_THERE,env=NOT_THERE [\"/tool\", \"environment\", \"/out/absent\", \"NOT_THERE\"]",
		w.step("environment", "/out/outside", "PIP_INDEX_URL"))
	r.Stage = "run"
	w.build(r)
	want := map[string]string{"pip": fmt.Sprint("true ", len(url)), "uv": fmt.Sprint("true ", len(url)), "absent": "true 0", "outside": "false 0"}
	for name, value := range want {
		if got := w.file(r, "out/"+name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	assertNowhere(t, r.Output, password)
	t.Setenv("PIP_INDEX_URL", "https://elsewhere.invalid/simple")
	r.Output = t.TempDir()
	if result := w.build(r); !result.Cached {
		t.Errorf("another index gave %+v, want every step cached", *result)
	}
}

func assertNowhere(t *testing.T, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if strings.Contains(readFile(t, path), text) {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testCertificates(t *testing.T, w *world) {
	bundle := filepath.Join(t.TempDir(), "bundle.crt")
	if err := os.WriteFile(bundle, []byte("certificates"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", bundle)
	r := w.request("WORKDIR /out", "ENV TEST="+w.name,
		"RUN --mount=type=secret,id=ca-bundle,target=/etc/ssl/bundle.crt [\"/tool\", \"size\", \"/out/size\", \"/etc/ssl/bundle.crt\"]")
	w.build(r)
	if got := w.file(r, "size"); got != "12 true" {
		t.Errorf("the bundle's size is %q, want 12", got)
	}
}

func testFailingStep(t *testing.T, w *world) {
	_, err := w.builder.Build(t.Context(), w.request(w.step("fail", "50", "3")))
	var step *StepError
	if !errors.As(err, &step) {
		t.Fatalf("error is %v (%T), want a StepError", err, err)
	}
	if want := `RUN ["/tool", "fail", "50", "3"]`; !strings.Contains(step.Step, want) {
		t.Errorf("step is %q, want it to name %q", step.Step, want)
	}
	if step.Err.Error() != "exit code: 3" {
		t.Errorf("the step's error is %q, want its exit code", step.Err)
	}
	if len(step.Log) != maxLogLines || step.Log[0] != "line 31" || !slices.Contains(step.Log, "line 50") {
		t.Errorf("log is %q, want the last lines, up to line 50", step.Log)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one line: %q", err)
	}
	after := w.request("WORKDIR /out", w.step("write", "/out/after", "works"))
	w.build(after)
}

func testMissingFile(t *testing.T, w *world) {
	_, err := w.builder.Build(t.Context(), w.request("COPY not-there /"))
	if err == nil || !strings.Contains(err.Error(), "not-there") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v, want one line that names the file", err)
	}
}

func testCancel(t *testing.T, w *world) {
	ctx, cancel := context.WithCancel(t.Context())
	marker := w.name + filepath.Base(w.source)
	ended := make(chan error)
	go func() {
		_, err := w.builder.Build(ctx, w.request(w.step("sleep", marker)))
		ended <- err
	}()
	waitFor(t, "the step to run", func() bool { return running(t, marker) })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that it was cancelled", err)
	}
	waitFor(t, "the step to be gone", func() bool { return !running(t, marker) })
	after := w.request("WORKDIR /out", w.step("write", "/out/after", "works"))
	w.build(after)
}

func testSharedStep(t *testing.T, w *world) {
	requests := make([]Request, 4)
	var group sync.WaitGroup
	for i := range requests {
		requests[i] = w.request("WORKDIR /out", w.step("random", "/out/number"))
		requests[i].Target = fmt.Sprint("target", i)
		group.Go(func() {
			if _, err := w.builder.Build(t.Context(), requests[i]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	first := w.file(requests[0], "number")
	for _, r := range requests[1:] {
		if got := w.file(r, "number"); got != first {
			t.Errorf("%s has %s, the first has %s: the step ran twice", r.Target, got, first)
		}
	}
}

func testLocalCache(t *testing.T, w *world) {
	cache := t.TempDir()
	first := w.request("WORKDIR /out", w.step("random", "/out/number"))
	first.CacheTo = []string{"type=local,mode=max,dest=" + cache}
	w.build(first)
	if _, err := w.builder.Prune(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	second := first
	second.Output, second.CacheTo = t.TempDir(), nil
	second.CacheFrom = []string{"type=local,src=" + cache}
	// BuildKit on a loaded machine sometimes copies the last stage's files again: by which of its keys it finds a COPY
	// depends on what it knows first.
	if result := w.build(second); result.CachedSteps < result.Steps-1 {
		t.Errorf("result is %+v, want every step before the last from the imported cache", *result)
	}
	if a, b := w.file(first, "number"), w.file(second, "number"); a != b {
		t.Errorf("the step ran again: %s, then %s", a, b)
	}
}

func testPrune(t *testing.T, w *world) {
	w.build(w.request("WORKDIR /out", w.step("fill", "/out/data", "3000000")))
	before, err := w.builder.DiskUsage(t.Context())
	if err != nil || before < 3000000 {
		t.Fatalf("disk usage is %d bytes (%v), want at least what was written", before, err)
	}
	freed, err := w.builder.Prune(t.Context(), true)
	if err != nil || freed < 3000000 {
		t.Errorf("pruning freed %d bytes (%v), want at least what was written", freed, err)
	}
	after, err := w.builder.DiskUsage(t.Context())
	if err != nil || after > before-freed {
		t.Errorf("disk usage went from %d to %d bytes (%v) although %d were freed", before, after, err, freed)
	}
}
