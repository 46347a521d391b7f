package builder

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"
)

// fill is a build of three steps whose last writes a megabyte.
func (w *world) fill(name string) Request {
	return w.request("WORKDIR /out", w.step("write", "/out/"+name, "1"), w.step("fill", "/out/"+name+".data", "1000000"))
}

// A run leaves what it used, from the cache or not, however little room there is, and says what it deletes of the rest.
func TestLittleRoomKeepsWhatARunUsed(t *testing.T) {
	requireContainers(t)
	state, tool := t.TempDir(), buildTool(t)
	if err := unix.Mount("tmpfs", state, "tmpfs", 0, "size=256m"); err != nil {
		t.Skip("cannot mount a small file system: ", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(state, unix.MNT_DETACH)) })
	var w *world
	run := func(names ...string) (_ string, cached int) {
		var notes strings.Builder
		b := openTest(t, Config{State: state, Notes: &notes})
		if w == nil {
			w = newWorld(t, b, tool)
		}
		w.builder = b
		for _, name := range names {
			if w.build(w.fill(name)).Cached {
				cached++
			}
		}
		must(t, b.Close())
		return notes.String(), cached
	}
	if notes, _ := run("a", "b"); !strings.Contains(notes, "free on the disk") || strings.Contains(notes, "deleted") {
		t.Errorf("the first run says %q, want that there is little room and nothing deleted", notes)
	}
	if notes, cached := run("a"); cached != 1 || !strings.Contains(notes, "deleted ") || !strings.Contains(notes, "did not use") {
		t.Errorf("%d of 1 cached, and the run says %q, want that b was deleted", cached, notes)
	}
	if notes, cached := run("a"); cached != 1 {
		t.Errorf("the second run deleted what it had used; the third says %q", notes)
	}
	if _, cached := run("b"); cached != 0 {
		t.Error("b is still in the cache: the test tests nothing")
	}
}

func TestUsedSince(t *testing.T) {
	start := time.Now()
	before, after := start.Add(-time.Hour), start.Add(time.Second)
	records := []*client.UsageInfo{
		{ID: "old", CreatedAt: before},
		{ID: "used before", CreatedAt: before, LastUsedAt: &before},
		{ID: "used", CreatedAt: before, LastUsedAt: &after},
		{ID: "made", CreatedAt: after},
		{ID: "in use", CreatedAt: before, LastUsedAt: &before, InUse: true},
	}
	if got, want := usedSince(records, start), []string{"used", "made", "in use"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Prune without all keeps what builds of the last days used.
func TestPruneKeepsRecentCache(t *testing.T) {
	requireContainers(t)
	b := openTest(t, Config{State: newState(t)})
	w := newWorld(t, b, buildTool(t))
	w.build(w.fill("a"))
	if freed, err := b.Prune(t.Context(), false); err != nil || freed > 0 {
		t.Errorf("pruning freed %d bytes (%v), want none", freed, err)
	}
	if again := w.build(w.fill("a")); !again.Cached {
		t.Errorf("the build after it is %+v, want every step cached", *again)
	}
	must(t, b.Close())
}

// Of a chain of cached steps only the last is opened. The others are used as well, and stay however long ago they were made.
func TestPruneKeepsWhatCachedStepsNeed(t *testing.T) {
	requireContainers(t)
	state, tool := newState(t), buildTool(t)
	b := openTest(t, Config{State: state})
	w := newWorld(t, b, tool)
	w.build(w.fill("a"))
	w.build(w.fill("b"))
	age(t, b, keepUnused+time.Hour)
	must(t, b.Close())

	b = openTest(t, Config{State: state})
	w.builder = b
	w.build(w.fill("a"))
	must(t, b.Close())

	b = openTest(t, Config{State: state})
	w.builder = b
	if freed, err := b.Prune(t.Context(), false); err != nil || freed == 0 {
		t.Errorf("pruning freed %d bytes (%v), want those of b", freed, err)
	}
	moved := w.fill("a")
	moved.Dockerfile = bytes.Replace(moved.Dockerfile, []byte("/out /\n"), []byte("/out /moved/\n"), 1)
	if result := w.build(moved); result.Steps-result.CachedSteps != 1 {
		t.Errorf("what needs the last step but one: %+v, want that it alone ran", *result)
	}
	must(t, b.Close())
}

// age makes every record one that was used so long ago.
func age(t *testing.T, b Builder, by time.Duration) {
	t.Helper()
	items, err := b.(*connection).engine.(*engine).control.worker.MetadataStore.All()
	must(t, err)
	for _, item := range items {
		must(t, setUsed(item, time.Now().Add(-by)))
	}
}

// A copy of a local directory changes its name for BuildKit when its last user goes: what is listed before that, and
// kept, is not what is pruned behind it.
func TestPruneWaitsForTheLastUser(t *testing.T) {
	requireContainers(t)
	b, control := builtOnce(t)
	prune := func(records []*client.UsageInfo) int64 {
		freed, err := control.prune(t.Context(), gcPolicy(1, control.usedOf(records)))
		must(t, err)
		return freed
	}

	release := holdCopy(t, control)
	time.AfterFunc(100*time.Millisecond, release)
	records, err := settled(t.Context(), control.diskUsage)
	must(t, err)
	if freed := prune(records); freed > 0 {
		t.Errorf("pruning freed %d bytes of what the run used", freed)
	}

	release = holdCopy(t, control)
	records, err = control.diskUsage(t.Context())
	must(t, err)
	release()
	if freed := prune(records); freed == 0 {
		t.Error("nothing was pruned although a copy was listed while it was in use: the test tests nothing")
	}
	must(t, b.Close())
}

// What a build has just used is in use for a moment longer, and would stay.
func TestPruneAllWaitsForTheLastUser(t *testing.T) {
	requireContainers(t)
	b, control := builtOnce(t)
	time.AfterFunc(100*time.Millisecond, holdCopy(t, control))
	_, err := b.Prune(t.Context(), true)
	must(t, err)
	if left, err := control.diskUsage(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("after pruning all, the cache holds %d records (%v)", len(left), err)
	}
	must(t, b.Close())
}

// builtOnce is a builder behind its first build, and what holds its cache.
func builtOnce(t *testing.T) (Builder, *controller) {
	t.Helper()
	b := openTest(t, Config{State: newState(t)})
	w := newWorld(t, b, buildTool(t))
	w.build(w.fill("a"))
	return b, b.(*connection).engine.(*engine).control
}

// holdCopy uses the copy of the source, under its other name, until the function that it returns is called.
func holdCopy(t *testing.T, c *controller) (release func()) {
	t.Helper()
	records, err := settled(t.Context(), c.diskUsage)
	must(t, err)
	for _, r := range records {
		ref, err := c.worker.CacheMgr.Get(t.Context(), r.ID, nil)
		must(t, err)
		release := func() {
			if err := ref.Release(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if r.RecordType == client.UsageRecordTypeLocalSource && r.Size > 1<<20 && ref.ID() != r.ID {
			return release
		}
		release()
	}
	t.Fatal("the cache holds no copy of the source")
	return nil
}
