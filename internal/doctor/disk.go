package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// overlay mounts an overlay below the state directory's file system, since a kernel that knows overlayfs may still
// refuse it there (inside a container whose root is an overlay itself, for instance).
func overlay(state string) Check {
	check := Check{Name: "overlayfs", Status: OK, For: "bake", Detail: "mounts below " + existing(state)}
	if os.Geteuid() != 0 {
		check.Status, check.Detail, check.Fix = Warning, "not tried: only root may mount", "sudo sagebuild doctor"
		return check
	}
	if err := tryOverlay(existing(state)); err != nil {
		check.Status, check.Detail = Missing, err.Error()
		check.Fix = "modprobe overlay, or sagebuild doctor --state DIR with DIR on ext4, xfs or tmpfs"
	}
	return check
}

func tryOverlay(below string) error {
	dir, err := os.MkdirTemp(below, ".sagebuild-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	merged := filepath.Join(dir, "merged")
	data := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if err := syscall.Mount("overlay", merged, "overlay", 0, data); err != nil {
		return fmt.Errorf("mounting an overlay below %s: %w", below, err)
	}
	return syscall.Unmount(merged, 0)
}

// disk compares the free space with what the commands need when the state directory is empty.
func disk(state string) Check {
	at := existing(state)
	var stat syscall.Statfs_t
	if err := syscall.Statfs(at, &stat); err != nil {
		return Check{"disk", Warning, "bake", fmt.Sprintf("%s: %v", at, err), "df -h " + at}
	}
	free := ui.Size(stat.Bavail * uint64(stat.Bsize))
	return diskCheck(at, free)
}

func diskCheck(at string, free ui.Size) Check {
	detail := fmt.Sprintf("%s free at %s", free, at)
	fix := "sagebuild clean --all, or --state DIR on a larger disk"
	switch {
	case free < diskBake:
		return Check{"disk", Missing, "bake", fmt.Sprintf("%s; bake sage2-all needs %s", detail, diskBake), fix}
	case free < diskTest:
		return Check{"disk", Missing, "test", fmt.Sprintf("%s; the tests of one torch need %s", detail, diskTest), fix}
	case free < diskTestAll:
		return Check{"disk", Warning, "test", fmt.Sprintf("%s; test test-all needs %s", detail, diskTestAll), fix}
	}
	return Check{Name: "disk", Status: OK, For: "bake", Detail: detail}
}
