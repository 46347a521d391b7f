package diag

import (
	"errors"
	"strings"
	"syscall"
)

// IsDiskFull says whether a full disk caused an error. It reads the error's text as well: an error that crossed
// BuildKit's connection, or that a program printed, has lost its type.
func IsDiskFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || SaysDiskFull(err.Error()) }

// SaysDiskFull says whether a program's output complains of a full disk.
func SaysDiskFull(text string) bool {
	return strings.Contains(strings.ToLower(text), syscall.ENOSPC.Error())
}
