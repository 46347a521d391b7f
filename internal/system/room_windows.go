package system

import "golang.org/x/sys/windows"

// RoomAt says how much room is left on the disk of a path that exists.
func RoomAt(path string) (Room, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Room{}, err
	}
	var room Room
	return room, windows.GetDiskFreeSpaceEx(name, &room.Bytes, nil, nil)
}
