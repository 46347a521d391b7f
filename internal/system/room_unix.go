//go:build unix

package system

import "golang.org/x/sys/unix"

// RoomAt says how much room is left on the disk of a path that exists.
func RoomAt(path string) (Room, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return Room{}, err
	}
	return Room{Bytes: stat.Bavail * uint64(stat.Bsize), NoInodes: stat.Files > 0 && stat.Ffree == 0}, nil
}
