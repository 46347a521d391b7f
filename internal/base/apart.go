//go:build linux

package base

import (
	"os/exec"
	"syscall"
)

// apart gives a program mounts and processes of its own, which end with it, and ends it with this process. mmdebstrap
// mounts /proc, /sys and /dev in the root that it makes: nobody else sees them, and a killed run leaves files alone.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:      true, // Ctrl-C is for this process, which ends the program
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
}

// together ends a program with this process.
func together(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
