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
	"sync"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/sagebuild/sagebuild/internal/diag"
)

func TestSweepForgetsPartialLayers(t *testing.T) {
	root := t.TempDir()
	partial := filepath.Join(root, "runc-overlayfs", "content", "ingest", "1234")
	whole := filepath.Join(root, "runc-overlayfs", "content", "blobs", "sha256")
	for _, dir := range []string{partial, whole} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(partial); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the partial layer is still there (%v)", err)
	}
	if _, err := os.Stat(whole); err != nil {
		t.Errorf("whole layers are gone: %v", err)
	}
}

func TestSweepUnmountsSingleLayers(t *testing.T) {
	requireContainers(t)
	root, other := mountedElsewhere(t), t.TempDir()
	orphan := bindLayer(t, root)
	foreign := bindLayer(t, other)
	if err := sweep(context.Background(), root); err != nil {
		t.Fatal(err)
	}
	if mounted, err := mountinfo.Mounted(orphan); mounted {
		t.Errorf("the layer is still mounted (%v)", err)
	}
	if mounted, err := mountinfo.Mounted(foreign); !mounted {
		t.Errorf("another state's layer was unmounted (%v)", err)
	}
}

// mountedElsewhere is a directory whose path in its file system is another: containers and chroots have such roots.
func mountedElsewhere(t *testing.T) string {
	t.Helper()
	real, shown := t.TempDir(), t.TempDir()
	if err := unix.Mount(real, shown, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(shown, unix.MNT_DETACH) })
	return shown
}

// bindLayer mounts a layer of the state directory root as BuildKit does.
func bindLayer(t *testing.T, root string) string {
	t.Helper()
	layer := filepath.Join(root, "runc-overlayfs", "snapshots", "snapshots", "1", "fs")
	if err := os.MkdirAll(layer, 0o700); err != nil {
		t.Fatal(err)
	}
	at, err := os.MkdirTemp(t.TempDir(), "buildkit-mount")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(layer, at, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	return at
}

// An overlay cannot be the upper layer of another.
func TestStateOnOverlayIsRefused(t *testing.T) {
	requireContainers(t)
	dir := t.TempDir()
	at := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	merged := at("merged")
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))
	if err := unix.Mount("overlay", merged, "overlay", 0, layers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(merged, unix.MNT_DETACH) })
	b, err := Open(context.Background(), Config{State: merged, Display: Display{Mode: "quiet"}})
	if err == nil {
		_ = b.Close()
	}
	if !errors.Is(err, diag.Environment) {
		t.Fatalf("got %v, want an error of class environment", err)
	}
}

// runc keeps a container whose bundle is gone, as after the removal of a state directory in which a run was killed.
func TestSweepForgetsContainersWithoutBundle(t *testing.T) {
	requireContainers(t)
	root := t.TempDir()
	id := "forgotten-" + filepath.Base(filepath.Dir(root))
	bundle := filepath.Join(root, workerDir, "executor", id)
	if err := os.MkdirAll(filepath.Join(bundle, "rootfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(buildTool(t), filepath.Join(bundle, "rootfs", "tool")); err != nil {
		t.Fatal(err)
	}
	runc := func(args ...string) { // its output is dropped: the container holds that of "create" open
		cmd := exec.Command("runc", args...)
		cmd.Dir = bundle
		if err := cmd.Run(); err != nil {
			t.Fatalf("runc %v: %v", args, err)
		}
	}
	runc("spec")
	config := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(bytes.Replace(text, []byte(`"terminal": true`), []byte(`"terminal": false`), 1), []byte(`"sh"`), []byte(`"/tool"`), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	runc("create", id)
	t.Cleanup(func() { _ = exec.Command("runc", "delete", "--force", id).Run() })
	if err := os.RemoveAll(bundle); err != nil {
		t.Fatal(err)
	}
	if err := sweep(t.Context(), t.TempDir()); err != nil || !strings.Contains(runcList(t), id) {
		t.Fatalf("the sweep of another state took the container (%v)", err)
	}
	if err := sweep(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(runcList(t), id) {
		t.Errorf("runc still lists %s", id)
	}
}

func runcList(t *testing.T) string {
	t.Helper()
	containers, err := listContainers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(containers)
}

// Containers of others end while runc lists them.
func TestContainersOfOthersEnd(t *testing.T) {
	requireContainers(t)
	others := filepath.Join("/run/runc", fmt.Sprintf("sagebuild-test-%d", os.Getpid()))
	must(t, os.MkdirAll(filepath.Dir(others), 0o700))
	done := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				_ = os.Mkdir(others, 0o700)
				_ = os.Remove(others)
			}
		}
	})
	defer working.Wait()
	defer close(done)
	for range 50 {
		if _, err := listContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
