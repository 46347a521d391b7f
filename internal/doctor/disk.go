package doctor

import (
	"fmt"
	"os"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/system"
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

// disk compares the free space with what the commands need when the state directory is empty.
func disk(state string) Check {
	at := existing(state)
	room, err := system.RoomAt(at)
	if err != nil {
		return Check{"disk", Warning, "bake", fmt.Sprintf("%s: %v", at, err), diag.Command("df", "-h", at)}
	}
	return diskCheck(at, ui.Size(room.Bytes))
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
