//go:build linux

package base

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// sweepWork removes a working directory that a killed run left: mmdebstrap mounts /proc, /sys and /dev in the root that
// it makes there, and what it had started may still write. The caller holds the lock of the layout's name.
func sweepWork(work string) error {
	if _, err := os.Lstat(work); err != nil {
		return nil // there is none
	}
	// What was started may start and mount more while it is being ended.
	for range 100 {
		killed := killBelow(work)
		unmounted, err := unmountBelow(work)
		if err != nil {
			return err
		}
		if !killed && !unmounted {
			return os.RemoveAll(work)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("something still works in %s", work)
}

// unmountBelow says whether anything was mounted below dir.
func unmountBelow(dir string) (bool, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return false, err
	}
	slices.Reverse(mounts) // the innermost first
	for _, m := range mounts {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
			return true, fmt.Errorf("unmounting %s: %w", m.Mountpoint, err)
		}
	}
	return len(mounts) > 0, nil
}

// killBelow ends the processes that work below dir, and says whether there were any.
func killBelow(dir string) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	found := false
	for _, process := range processes {
		id, err := strconv.Atoi(filepath.Base(process))
		if err != nil || id == os.Getpid() || !worksBelow(process, dir) {
			continue
		}
		found = true
		_ = unix.Kill(id, unix.SIGKILL)
	}
	return found
}

// worksBelow says whether a process has its root, its working directory or its temporary files below dir: mmdebstrap
// and all that it starts.
func worksBelow(process, dir string) bool {
	for _, name := range []string{"root", "cwd"} {
		to, err := os.Readlink(filepath.Join(process, name))
		if err == nil && strings.HasPrefix(to, dir+"/") {
			return true
		}
	}
	environment, err := os.ReadFile(filepath.Join(process, "environ"))
	return err == nil && bytes.Contains(append([]byte{0}, environment...), []byte("\x00TMPDIR="+dir))
}

// interruptTogether has a program's children interrupted with it, and the program killed with this process. mmdebstrap
// then unmounts and removes its working directory: an interrupt of mmdebstrap alone would make it wait for its
// children, and a kill leaves everything.
func interruptTogether(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
}
