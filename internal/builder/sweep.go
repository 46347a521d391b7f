//go:build linux

package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// sweep removes what a stopped run left behind below root: containers that still run, their bundles, overlay mounts
// whose layers lie below root, and layers that were copied in part. Call it holding the lock; everything it finds is
// then an orphan. It touches only containers that have a bundle below root and mounts that use it.
func sweep(ctx context.Context, root string) error {
	bundles, err := containerBundles(root)
	if err != nil {
		return err
	}
	for _, bundle := range bundles {
		if err := killContainer(ctx, filepath.Base(bundle)); err != nil {
			return err
		}
	}
	if err := forgetContainers(ctx, root); err != nil {
		return err
	}
	if err := unmountOrphans(root); err != nil {
		return err
	}
	for _, bundle := range bundles {
		if err := errors.Join(removeSecrets(bundle), os.RemoveAll(bundle)); err != nil {
			return err
		}
	}
	return removeLeftovers(root)
}

// leftovers are, below root: copies that a stopped run began, which the content store would resume although a base in a
// local OCI layout cannot be read from the middle; files of hosts of containers that are gone; temporary files.
var leftovers = []string{
	workerDir + "/content/ingest/*",
	workerDir + "/executor/hosts.*",
	temporaryDir + "/*",
}

func removeLeftovers(root string) error {
	for _, pattern := range leftovers {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeSecrets unmounts the memory file systems that hold the secrets of a container. Only the container's
// configuration says which file systems these are.
func removeSecrets(bundle string) error {
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return err
	}
	var config struct{ Mounts []struct{ Source string } }
	if err := json.Unmarshal(data, &config); err != nil {
		// The run was killed while it wrote the file, and so before the container.
		return nil
	}
	for _, m := range config.Mounts {
		dir := filepath.Dir(m.Source)
		if !strings.HasPrefix(filepath.Base(dir), "buildkit-secrets") {
			continue
		}
		if err := detach(dir); err != nil {
			return err
		}
	}
	return nil
}

// containerBundles lists the bundle directories of containers; a directory's name is the container's id.
func containerBundles(root string) ([]string, error) {
	configs, err := filepath.Glob(filepath.Join(root, "runc-*", "executor", "*", "config.json"))
	if err != nil {
		return nil, err
	}
	for i, config := range configs {
		configs[i] = filepath.Dir(config)
	}
	return configs, nil
}

func killContainer(ctx context.Context, id string) error {
	out, err := exec.CommandContext(ctx, "runc", "delete", "--force", id).CombinedOutput()
	if err != nil && !bytes.Contains(out, []byte("does not exist")) {
		return fmt.Errorf("killing container %s: %s", id, bytes.TrimSpace(out))
	}
	return nil
}

// forgetContainers deletes what runc keeps of containers whose bundles below root are gone: those of a runc that was
// killed.
func forgetContainers(ctx context.Context, root string) error {
	if _, err := exec.LookPath("runc"); err != nil {
		return nil // then nothing was run here
	}
	containers, err := listContainers(ctx)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if !strings.HasPrefix(c.Bundle, root+string(filepath.Separator)) {
			continue
		}
		if _, err := os.Stat(c.Bundle); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := killContainer(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

type container struct{ ID, Bundle string }

// listContainers is runc's list of this machine's containers. The list fails where a container of somebody else ends
// while runc makes it, and is asked for again.
func listContainers(ctx context.Context) (containers []container, err error) {
	for range 10 {
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, "runc", "list", "--format", "json")
		cmd.Stderr = &said
		out, failed := cmd.Output()
		if failed == nil {
			if err := json.Unmarshal(out, &containers); err != nil {
				return nil, fmt.Errorf("reading runc's list of containers: %w", err)
			}
			return containers, nil
		}
		err = fmt.Errorf("listing containers: %w: %s", failed, bytes.TrimSpace(said.Bytes()))
	}
	return nil, err
}

// unmountOrphans detaches the mounts that lie below root or are overlays of layers below root, the innermost first.
func unmountOrphans(root string) error {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { return !usesState(m, root), false })
	if err != nil {
		return err
	}
	slices.Reverse(mounts)
	for _, m := range mounts {
		if err := detach(m.Mountpoint); err != nil {
			return err
		}
	}
	return nil
}

// detach unmounts dir, when it is a mount point, and removes the temporary directories that BuildKit makes for
// mounts.
func detach(dir string) error {
	err := unix.Unmount(dir, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting %s: %w", dir, err)
	}
	for _, prefix := range []string{"buildkit-mount", "buildkit-secrets"} {
		if strings.HasPrefix(filepath.Base(dir), prefix) {
			_ = os.Remove(dir) // one that is not empty stays
		}
	}
	return nil
}

// usesState says whether a mount shows or lies in root's containers. A mount point of root itself is the user's own.
func usesState(m *mountinfo.Info, root string) bool {
	below := root + string(filepath.Separator)
	return strings.HasPrefix(m.Mountpoint, below) || showsLayer(m, root) ||
		m.FSType == "overlay" && strings.Contains(m.VFSOptions, "="+below)
}

// showsLayer says whether a mount is BuildKit's view of a single layer below root. Such a mount names the layer by its
// path in the file system, which need not be that of root: root may be below a bind mount, as in containers.
func showsLayer(m *mountinfo.Info, root string) bool {
	_, layer, found := strings.Cut(m.Root, "/"+workerDir+"/")
	if !found || !strings.HasPrefix(filepath.Base(m.Mountpoint), "buildkit-mount") {
		return false
	}
	shown, err := os.Stat(m.Mountpoint)
	if err != nil {
		return false
	}
	own, err := os.Stat(filepath.Join(root, workerDir, layer))
	return err == nil && os.SameFile(own, shown)
}

// waitForContainers waits until the containers below root are gone, at most for limit.
func waitForContainers(root string, limit time.Duration) {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if bundles, err := containerBundles(root); err != nil || len(bundles) == 0 {
			return
		}
	}
}
