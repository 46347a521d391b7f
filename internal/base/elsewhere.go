//go:build !linux

package base

import "os/exec"

// Nothing is made here: see Store.usable.

func apart(*exec.Cmd) {}

func together(*exec.Cmd) {}
