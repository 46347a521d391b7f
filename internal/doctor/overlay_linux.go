package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

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
