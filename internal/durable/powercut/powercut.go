// Package powercut is a disk for tests, which shows what a power cut would leave. The disk is a loop-mounted image.
// For each look the package mounts a copy of the image, so that the file system replays its journal.
package powercut

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sagebuild/sagebuild/internal/durable"
)

// Disk is a mounted file system.
type Disk struct {
	Dir   string // where it is mounted
	t     *testing.T
	image string
}

const size = 64 << 20

var syncAll = durable.SyncAll // the real function, whatever a test puts in its place

// newDisk mounts an empty ext4 file system. It skips the test where mounting is not possible.
func newDisk(t *testing.T) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir(), t: t, image: filepath.Join(t.TempDir(), "image")}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", d.image).CombinedOutput(); err != nil {
		t.Skipf("cannot make a file system: %v: %s", err, out)
	}
	d.mount(d.image, d.Dir)
	return d
}

func (d *Disk) mount(image, dir string) {
	d.t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		d.t.Skipf("cannot mount a file system: %v: %s", err, out)
	}
	d.t.Cleanup(func() { unmount(d.t, dir) })
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
		t.Errorf("unmounting: %v: %s", err, out)
	}
}

// settle brings everything to disk.
func (d *Disk) settle() {
	d.t.Helper()
	d.call(d.Dir, syncAll)
}

// commit brings the journal to disk and nothing else, as the kernel does every few seconds: the disk has the renames,
// and lacks the bytes of new files.
func (d *Disk) commit() {
	d.t.Helper()
	other := filepath.Join(d.Dir, "unrelated")
	if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.call(other, (*os.File).Sync)
	if err := os.Remove(other); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) call(path string, sync func(*os.File) error) {
	d.t.Helper()
	file, err := os.Open(path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer file.Close()
	if err := sync(file); err != nil {
		d.t.Fatal(err)
	}
}

// cut gives look the disk as a power cut at this moment would leave it: a directory that is gone when look returns.
func (d *Disk) cut(look func(dir string)) {
	d.t.Helper()
	copied := filepath.Join(d.t.TempDir(), "image")
	if out, err := exec.Command("cp", "--sparse=always", d.image, copied).CombinedOutput(); err != nil {
		d.t.Fatalf("copying the disk: %v: %s", err, out)
	}
	dir := d.t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop", copied, dir).CombinedOutput(); err != nil {
		d.t.Fatalf("mounting the copy: %v: %s", err, out)
	}
	defer func() {
		unmount(d.t, dir)
		_ = os.Remove(copied)
	}()
	look(dir)
}

// Try makes a change on a disk of its own, once with its syncs and once without them, and looks at the disk as a power
// cut at each sync would leave it. With syncs there are so many cuts at least, and each leaves the disk whole; without
// them some cut does not, or the test would test nothing. prepare fills the disk and returns the change, and what tells
// a whole disk.
func Try(t *testing.T, atLeast int, prepare func(*Disk) (change func(), whole func(dir string) bool)) {
	t.Helper()
	for _, syncs := range []bool{true, false} {
		disk := newDisk(t)
		change, whole := prepare(disk)
		disk.settle()
		broken := 0
		cuts := disk.around(syncs, change, func(dir string) {
			if !whole(dir) {
				broken++
			}
		})
		t.Logf("cuts: %d, syncs: %v, %d broken", cuts, syncs, broken)
		if syncs && (broken > 0 || cuts < atLeast) {
			t.Errorf("cuts that left something broken: %d of %d, want none of at least %d", broken, cuts, atLeast)
		}
		if !syncs && broken == 0 {
			t.Error("without syncs no cut broke anything: the test tests nothing")
		}
	}
}

// around runs do. It looks at the disk before and after each sync of do, and at the end of do, each time as a power
// cut right after a commit of the journal would leave the disk. It returns the number of looks. Without syncs, around
// leaves out the syncs of do.
func (d *Disk) around(syncs bool, do func(), look func(dir string)) (cuts int) {
	d.t.Helper()
	sync, all := durable.Sync, durable.SyncAll
	defer func() { durable.Sync, durable.SyncAll = sync, all }()
	cut := func() {
		cuts++
		d.commit()
		d.cut(look)
	}
	watched := func(real func(*os.File) error) func(*os.File) error {
		return func(f *os.File) error {
			if !syncs {
				return nil
			}
			cut()
			err := real(f)
			cut()
			return err
		}
	}
	durable.Sync, durable.SyncAll = watched(sync), watched(all)
	do()
	cut()
	return cuts
}
