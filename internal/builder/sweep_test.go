package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

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
