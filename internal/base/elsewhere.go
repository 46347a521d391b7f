//go:build !linux

package base

import (
	"os"
	"os/exec"
)

// sweepWork removes a working directory, in which nothing can run or be mounted: see Store.usable.
func sweepWork(work string) error { return os.RemoveAll(work) }

func interruptTogether(*exec.Cmd) {}
