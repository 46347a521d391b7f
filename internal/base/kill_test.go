package base

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
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
	// The kernel tells where programs and mounts are by paths without links.
	if real, err := filepath.EvalSymlinks(os.TempDir()); err == nil {
		os.Setenv("TMPDIR", real)
	}
	os.Exit(m.Run())
}

// rootsBelow lists the processes whose root lies below dir.
func rootsBelow(dir string) (processes []string) {
	all, _ := filepath.Glob("/proc/[0-9]*")
	return slices.DeleteFunc(all, func(process string) bool {
		root, err := os.Readlink(filepath.Join(process, "root"))
		return err != nil || !strings.HasPrefix(root, dir+"/")
	})
}

// waitFor waits until is says yes, for at most three minutes.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within three minutes", what)
		}
	}
}

// ownMounts is the number of mounts below the root of a process, which only it and its like see.
func ownMounts(process string) int {
	text, _ := os.ReadFile(filepath.Join(process, "mountinfo"))
	return bytes.Count(text, []byte("\n"))
}

// A run that is killed while programs work in the root that it makes, with /proc, /sys and /dev mounted there, takes them
// along, mounts and all. What it leaves are files in the state directory alone, which the next run removes.
func TestKilledBootstrapLeavesFilesAlone(t *testing.T) {
	store, _ := newStore(t)
	t.Parallel()
	child := exec.Command(os.Args[0])
	temporary := t.TempDir()
	child.Env = append(os.Environ(), childState+"="+store.State, "TMPDIR="+temporary)
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	// A program works among the mounts of the root once the packages are fetched, which may take any time.
	for !slices.ContainsFunc(rootsBelow(store.State), func(process string) bool { return ownMounts(process) > 2 }) {
		select {
		case err := <-ended:
			t.Fatalf("ended before it was killed: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(store.State)); err != nil || len(mounts) > 0 {
		t.Errorf("this process sees mounts of the root: %v (%v)", mounts, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	waitFor(t, "the programs end with the run", func() bool { return len(rootsBelow(store.State)) == 0 })
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("the killed run left %v outside the state directory", left)
	}
	works := filepath.Join(store.State, "bases", "*"+workSuffix)
	if left, err := filepath.Glob(works); err != nil || len(left) != 1 {
		t.Fatalf("the killed run left %v (%v): the test tests nothing", left, err)
	}
	if _, err := store.layout(t.Context(), store.wanted("base", "key"), noteTree); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(works); err != nil || len(left) > 0 {
		t.Errorf("%v is left of the killed run (%v)", left, err)
	}
}

// noteTree makes the tar file of a tree of one file.
func noteTree(_ context.Context, work string) (string, error) {
	tree := newTree(0)
	tree.files["usr/local/note"] = bytesFile([]byte("text"), false)
	return filepath.Join(work, "base.tar"), tree.write(filepath.Join(work, "base.tar"))
}

// A layout that lost bytes or files is found and made again; the next run takes it as it is.
func TestDamagedLayoutIsMadeAgain(t *testing.T) {
	store := &Store{State: t.TempDir(), Lock: &Lock{Architecture: runtime.GOARCH}}
	made := 0
	get := func() Layout {
		l, err := store.layout(t.Context(), store.wanted("base", "key"), func(ctx context.Context, work string) (string, error) {
			made++
			return noteTree(ctx, work)
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
