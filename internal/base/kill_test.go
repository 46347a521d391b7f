package base

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
)

// childState is set in the process that the kill test starts and kills.
const childState = "SAGEBUILD_TEST_CHILD_STATE"

func TestMain(m *testing.M) {
	if state := os.Getenv(childState); state != "" {
		lock, err := ReadLock(lockPath)
		if err != nil {
			panic(err)
		}
		_, err = (&Store{State: state, Lock: lock, Mirror: os.Getenv(MirrorVariable)}).Base(context.Background())
		panic(err) // it was to be killed
	}
	os.Exit(m.Run())
}

func mountsBelow(t *testing.T, dir string) int {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Fatal(err)
	}
	return len(mounts)
}

// A run that is killed while mmdebstrap works leaves mounts and files in the state directory alone, and the next run
// removes them.
func TestKilledBootstrapIsSwept(t *testing.T) {
	store, _ := newStore(t)
	child := exec.Command(os.Args[0])
	temporary := t.TempDir()
	child.Env = append(os.Environ(), childState+"="+store.State, "TMPDIR="+temporary)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(3 * time.Minute); mountsBelow(t, store.State) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("mmdebstrap mounted nothing within three minutes")
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("the killed run left %v outside the state directory", left)
	}
	if mountsBelow(t, store.State) == 0 {
		t.Fatal("the killed run left no mounts: the test tests nothing")
	}
	made, err := store.Base(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("the base is", made.Digest)
	if n := mountsBelow(t, store.State); n > 0 {
		t.Errorf("%d mounts of the killed run are left", n)
	}
	left, err := filepath.Glob(filepath.Join(store.State, "bases", "*-work"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left of the killed run (%v)", left, err)
	}
}

// A layout that lost bytes or files is found and made again; the next run takes it as it is.
func TestDamagedLayoutIsMadeAgain(t *testing.T) {
	store := &Store{State: t.TempDir(), Lock: &Lock{Architecture: runtime.GOARCH}}
	made := 0
	get := func() Layout {
		l, err := store.layout(t.Context(), store.wanted("base", "key"), func(_ context.Context, work string) (string, error) {
			made++
			tree := newTree(0)
			tree.files["usr/local/note"] = bytesFile([]byte("text"), false)
			return filepath.Join(work, "base.tar"), tree.write(filepath.Join(work, "base.tar"))
		})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := get()
	blobs, err := filepath.Glob(filepath.Join(first.Dir, "blobs", "sha256", "*"))
	if err != nil || len(blobs) != 3 {
		t.Fatalf("a layout holds %v (%v), want three blobs", blobs, err)
	}
	files := append(blobs, filepath.Join(first.Dir, "index.json"))
	shorten := func(path string) error { return os.Truncate(path, 10) }
	for _, damage := range []func(string) error{shorten, os.Remove} {
		for _, file := range files {
			before := made
			if err := damage(file); err != nil {
				t.Fatal(err)
			}
			if again := get(); again != first || made != before+1 {
				t.Errorf("%s: got %v, made %d times, want the same layout, made again", file, again, made-before)
			}
			if get(); made != before+1 {
				t.Errorf("%s: the layout that was made again is not used", file)
			}
		}
	}
}
