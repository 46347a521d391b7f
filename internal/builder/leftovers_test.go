// What a build that is ended or killed leaves behind: nothing, or what the next one sweeps.

package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

func TestCloseDuringBuildLeavesNothing(t *testing.T) {
	requireContainers(t)
	state := newState(t)
	b := openTest(t, Config{State: state})
	w := newWorld(t, b, buildTool(t))
	ctx, cancel := context.WithCancel(t.Context())
	marker := w.name + filepath.Base(w.source)
	ended := make(chan error)
	go func() {
		_, err := b.Build(ctx, w.request(w.step("sleep", marker)))
		ended <- err
	}()
	waitFor(t, "the step to run", func() bool { return running(t, marker) })
	cancel()
	<-ended
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if running(t, marker) {
		t.Error("the step outlives the builder")
	}
	assertNothingLeft(t, state)
}

func TestKilledRunIsSwept(t *testing.T) {
	requireContainers(t)
	state := newState(t)
	testKilledRun(t, state, state)
}

// The next run may know the state directory by a link.
func TestKilledRunIsSweptThroughALink(t *testing.T) {
	requireContainers(t)
	state, link := newState(t), filepath.Join(t.TempDir(), "link")
	must(t, errors.Join(os.Mkdir(state, 0o700), os.Symlink(state, link)))
	testKilledRun(t, state, link)
}

// testKilledRun kills a run, and opens its state directory by a name of its own.
func testKilledRun(t *testing.T, state, name string) {
	marker := fmt.Sprint("killed-", os.Getpid())
	source := t.TempDir()
	if err := os.Link(buildTool(t), filepath.Join(source, "tool")); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	temporary := t.TempDir()
	child.Env = append(os.Environ(), childState+"="+state, "SOURCE="+source, "MARKER="+marker, "TMPDIR="+temporary, "PIP_INDEX_URL=secret")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the step to run", func() bool { return running(t, marker) })
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if len(mountsOf(t, filepath.Join(engineRoot(state), temporaryDir))) == 0 {
		t.Fatal("the killed run left no mounts: the test tests nothing")
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("the killed run left %v outside the state directory (%v)", left, err)
	}
	b := openTest(t, Config{State: name})
	if running(t, marker) {
		t.Error("the step of the killed run still runs")
	}
	if left := mountsOf(t, state); len(left) > 0 {
		t.Errorf("mounts of the killed run are left: %v", left)
	}
	w := newWorld(t, b, filepath.Join(source, "tool"))
	w.build(w.request("WORKDIR /out", w.step("write", "/out/after", "works")))
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	assertNothingLeft(t, state)
}

// buildForever is the child of the kill test.
func buildForever(state string) {
	b, err := Open(context.Background(), Config{State: state, Display: Display{Mode: "quiet"}})
	if err != nil {
		panic(err)
	}
	_, err = b.Build(context.Background(), Request{
		Dockerfile: []byte("FROM scratch\nCOPY tool /tool\n" +
			"RUN --mount=type=secret,id=PIP_INDEX_URL [\"/tool\", \"sleep\", \"" + os.Getenv("MARKER") + "\"]\n"),
		Source: os.Getenv("SOURCE"), Target: "it", Secrets: []string{"PIP_INDEX_URL"},
	})
	panic(err)
}

// assertNothingLeft checks that no container and no mount of an engine is left.
func assertNothingLeft(t *testing.T, state string) {
	t.Helper()
	bundles, err := containerBundles(filepath.Join(state, "buildkit"))
	if err != nil || len(bundles) > 0 {
		t.Errorf("containers are left: %v (%v)", bundles, err)
	}
	if left := mountsOf(t, state); len(left) > 0 {
		t.Errorf("mounts are left: %v", left)
	}
}

func mountsOf(t *testing.T, state string) []string {
	t.Helper()
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.Contains(m.Mountpoint+m.VFSOptions, state), false
	})
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, m := range mounts {
		points = append(points, m.Mountpoint)
	}
	return points
}

// running says whether a process outside this one has the marker among its arguments.
func running(t *testing.T, marker string) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		// A process may end between the listing and this.
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(marker)) {
			return true
		}
	}
	return false
}
