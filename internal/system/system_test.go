package system

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLocksExclude(t *testing.T) {
	dir := t.TempDir()
	first, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := TryLock(dir); !errors.Is(err, ErrBusy) {
		t.Fatalf("a locked directory: %v", err)
	}
	got := make(chan error)
	go func() {
		second, err := Lock(dir)
		if err == nil {
			err = second.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("the second lock did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := errors.Join(first.Close(), <-got); err != nil {
		t.Error(err)
	}
	if _, err := TryLock(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, path := range []string{a, b} {
		if err := os.MkdirAll(filepath.Join(path, "from-"+filepath.Base(path)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := Exchange(a, b)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if _, there := os.Stat(filepath.Join(a, "from-b")); err != nil || there != nil {
		t.Errorf("%v, %v", err, there)
	}
}

func TestRoomAndSync(t *testing.T) {
	dir := t.TempDir()
	if room, err := RoomAt(dir); err != nil || room.Bytes == 0 || room.NoInodes {
		t.Errorf("%+v, %v", room, err)
	}
	if _, err := RoomAt(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("there is room where nothing is")
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := errors.Join(Sync(file), SyncAll(file)); err != nil {
		t.Error(err)
	}
}

func TestRemoveTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	for name, size := range map[string]int{"a": 3, "b/c": 4} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if size, err := TreeSize(dir); size != 7 || err != nil {
		t.Errorf("the tree has %d bytes (%v), want 7", size, err)
	}
	for _, want := range []int64{7, 0} { // the second time nothing is there
		if freed, err := RemoveTree(dir); freed != want || err != nil {
			t.Errorf("removing freed %d bytes (%v), want %d", freed, err, want)
		}
	}
}
