package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	buildx "github.com/docker/buildx/builder"
	"github.com/docker/buildx/store/storeutil"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// childState is set in the process that the kill test starts and kills.
const childState = "SAGEBUILD_TEST_CHILD_STATE"

func TestMain(m *testing.M) {
	if state := os.Getenv(childState); state != "" {
		buildForever(state)
	}
	// The kernel tells where programs and mounts are by paths without links.
	if real, err := filepath.EvalSymlinks(os.TempDir()); err == nil {
		os.Setenv("TMPDIR", real)
	}
	os.Exit(m.Run())
}

func requireContainers(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: runs containers")
	}
	if err := requirements(); err != nil {
		t.Skip(err)
	}
}

// buildTool compiles the static program that the containers run.
func buildTool(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "tool")
	cmd := exec.Command("go", "build", "-trimpath", "-o", tool, "./testdata/tool")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the tool: %v: %s", err, out)
	}
	return tool
}

func openTest(t *testing.T, config Config) Builder {
	t.Helper()
	config.Display = Display{Mode: "plain", Out: testWriter{t}}
	b, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testWriter passes the progress to the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// newState is an empty state directory in memory where that can be mounted: BuildKit waits for the disk at every step, and
// what it has there ends with the test.
func newState(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8g"); err == nil {
		// BuildKit keeps files open that it could not write.
		t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	}
	return filepath.Join(dir, "state")
}

func TestEmbedded(t *testing.T) {
	requireContainers(t)
	state := newState(t)
	b := openTest(t, Config{State: state})
	conformance(t, b, buildTool(t))
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	assertNothingLeft(t, state)
}

func TestSeparateDaemon(t *testing.T) {
	requireContainers(t)
	root := newState(t)
	address := startDaemon(t, root)
	tool := buildTool(t)
	b := openTest(t, Config{Address: address})
	conformance(t, b, tool)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	t.Run("by name", func(t *testing.T) { testNamedBuilder(t, address, tool) })
}

// testNamedBuilder registers the daemon as docker buildx create does.
func testNamedBuilder(t *testing.T, address, tool string) {
	t.Setenv("BUILDX_CONFIG", t.TempDir())
	cli, err := dockerCLI()
	if err != nil {
		t.Fatal(err)
	}
	store, release, err := storeutil.GetStore(cli)
	if err != nil {
		t.Fatal(err)
	}
	_, err = buildx.Create(t.Context(), store, cli, buildx.CreateOpts{Name: "conformance", Driver: "remote", Endpoint: address})
	release()
	if err != nil {
		t.Fatal(err)
	}
	b := openTest(t, Config{Address: "conformance"})
	w := newWorld(t, b, tool)
	r := w.request("WORKDIR /out", w.step("write", "/out/greeting", "hello"))
	w.build(r)
	if got := w.file(r, "greeting"); got != "hello" {
		t.Errorf("greeting is %q, want hello", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// startDaemon builds buildkitd and runs it with its state below root.
func startDaemon(t *testing.T, root string) (address string) {
	t.Helper()
	daemon := filepath.Join(root, "buildkitd")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", daemon, "github.com/moby/buildkit/cmd/buildkitd")
	build.Dir = "../../tests/buildkitd"
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building buildkitd: %v: %s", err, out)
	}
	socket := filepath.Join(root, "socket")
	var log bytes.Buffer
	cmd := exec.Command(daemon, "--addr=unix://"+socket, "--root="+filepath.Join(root, "state"),
		"--oci-worker-net=host", "--containerd-worker=false", "--otel-socket-path="+filepath.Join(root, "otel"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopDaemon(t, cmd, &log) })
	waitFor(t, "buildkitd to listen", func() bool { _, err := os.Stat(socket); return err == nil })
	return "unix://" + socket
}

func stopDaemon(t *testing.T, cmd *exec.Cmd, log *bytes.Buffer) {
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // an interrupted buildkitd ends with an error
	if t.Failed() {
		t.Log(log.String())
	}
}

func TestLockedState(t *testing.T) {
	requireContainers(t)
	state := newState(t)
	b := openTest(t, Config{State: state})
	_, err := Open(t.Context(), Config{State: state})
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || !strings.Contains(e.Message, "in use by process") || e.Hint == "" {
		t.Errorf("a second builder gave %v, want an error about the lock with a hint", err)
	}
	waited := make(chan Builder)
	go func() {
		next, err := Open(t.Context(), Config{State: state, Wait: true, Display: Display{Mode: "quiet"}})
		if err != nil {
			t.Error(err)
		}
		waited <- next
	}()
	select {
	case <-waited:
		t.Error("the second builder did not wait for the first")
	case <-time.After(100 * time.Millisecond):
	}
	must(t, b.Close())
	must(t, (<-waited).Close())
	again := openTest(t, Config{State: state})
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// The limit is for what a run did not use itself. What takes the room here lies under two small layers.
func TestStateLimit(t *testing.T) {
	requireContainers(t)
	const limit = 16 << 20 // one build takes 13 MB
	state, tool := newState(t), buildTool(t)
	for _, names := range [][]string{{"a", "b", "c"}, {"d"}} {
		b := openTest(t, Config{State: state, StateLimit: limit})
		w := newWorld(t, b, tool)
		for _, name := range names {
			w.build(w.request("WORKDIR /out", w.step("fill", "/out/"+name, "5000000"),
				w.step("write", "/out/"+name+".1", "1"), w.step("write", "/out/"+name+".2", "1")))
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := openTest(t, Config{State: state, StateLimit: limit})
	defer b.Close()
	if used, err := b.DiskUsage(t.Context()); err != nil || used > limit {
		t.Errorf("the cache holds %d bytes (%v), the limit is %d", used, err, limit)
	}
}

func TestDiskFull(t *testing.T) {
	requireContainers(t)
	state := t.TempDir()
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=24m"); err != nil {
		t.Skip("cannot mount a small file system: ", err)
	}
	t.Cleanup(func() {
		// BuildKit keeps the file open that it could not write.
		if err := unix.Unmount(state, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b := openTest(t, Config{State: state})
	w := newWorld(t, b, buildTool(t))
	_, err := b.Build(t.Context(), w.request("WORKDIR /out", w.step("fill", "/out/data", "30000000")))
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || !strings.Contains(e.Message, "is full") || !strings.HasPrefix(e.Hint, "sagebuild clean --all") {
		t.Errorf("error is %v, want that the disk is full", err)
	}
	// BuildKit lets go of a failed build's layers shortly after it has reported the failure.
	waitFor(t, "the full disk to be pruned", func() bool {
		freed, err := b.Prune(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		return freed > 0
	})
	w.build(w.request("WORKDIR /out", w.step("fill", "/out/data", "1000000")))
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// A proxy's address may hold a password, and people carry the state directory from machine to machine.
func TestProxiesStayOutOfTheState(t *testing.T) {
	requireContainers(t)
	for _, name := range []string{"HTTPS_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://user:"+password+"@127.0.0.1:9")
	}
	state := newState(t)
	b := openTest(t, Config{State: state})
	w := newWorld(t, b, buildTool(t))
	r := w.request("WORKDIR /out", w.step("environment", "/out/proxy", "HTTPS_PROXY"))
	r.Provenance = true
	w.build(r)
	if got := w.file(r, "proxy"); !strings.HasPrefix(got, "true") {
		t.Errorf("the step sees a proxy: %q, want true", got)
	}
	_, err := b.Build(t.Context(), w.request(w.step("fail", "1", "3")))
	if err == nil {
		t.Error("the failing step did not fail")
	}
	must(t, b.Close())
	assertNowhere(t, state, password)
}

func TestUnreachable(t *testing.T) {
	for _, address := range []string{"unix:///does/not/exist.sock", "tcp://127.0.0.1:1", "no-such-builder"} {
		_, err := Open(t.Context(), Config{Address: address})
		var e *diag.Error
		if !errors.As(err, &e) || e.Class != diag.Environment || !strings.Contains(e.Message, address) || strings.Contains(err.Error(), "\n") {
			t.Errorf("opening %s gave %v, want one line about the environment", address, err)
		}
	}
}

// waitFor polls; it fails only where the condition would never come true.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func tarLayer(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return layer
}
