package builder

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// damages are what happens to a file on a failing disk, after a power cut or by an unlucky hand.
var damages = map[string]func(t *testing.T, path string){
	"empty": func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
	"half":  func(t *testing.T, path string) { must(t, os.Truncate(path, sizeOf(t, path)/2)) },
	"flipped": func(t *testing.T, path string) {
		change(t, path, 200, func(b byte) byte { return b ^ 1<<rand.IntN(8) })
	},
	"garbage": func(t *testing.T, path string) {
		change(t, path, int(sizeOf(t, path)), func(byte) byte { return byte(rand.Int()) })
	},
	"gone": func(t *testing.T, path string) { must(t, os.Remove(path)) },
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// change changes bytes of a file at n places.
func change(t *testing.T, path string, n int, to func(byte) byte) {
	t.Helper()
	data := []byte(readFile(t, path))
	for i := range n {
		at := i
		if n < len(data) {
			at = rand.IntN(len(data))
		}
		data[at] = to(data[at])
	}
	must(t, os.WriteFile(path, data, 0o600))
}

// patient is a state directory with a build in its cache, to make damaged copies of.
type patient struct {
	state, tool string
	request     Request
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	p := &patient{state: newState(t), tool: buildTool(t)}
	b := openTest(t, Config{State: p.state})
	w := newWorld(t, b, p.tool)
	p.request = w.request("WORKDIR /out", w.step("random", "/out/number"))
	w.build(p.request)
	must(t, b.Close())
	return p
}

// copy is the same state elsewhere, as its engine closed it, or without a seal as a killed one leaves it.
func (p *patient) copy(t *testing.T, isSealed bool) string {
	t.Helper()
	state := newState(t)
	if out, err := exec.Command("cp", "-a", p.state, state).CombinedOutput(); err != nil {
		t.Fatalf("copying the state: %v: %s", err, out)
	}
	if !isSealed {
		must(t, os.Remove(filepath.Join(engineRoot(state), sealFile)))
	}
	return state
}

// build opens a state, builds and closes. It returns what Open said of the state.
func (p *patient) build(t *testing.T, state string) (string, *Result) {
	t.Helper()
	notes, result, err := p.tryBuild(t, state)
	if err != nil {
		t.Errorf("building: %v", err)
	}
	return notes, result
}

func (p *patient) tryBuild(t *testing.T, state string) (string, *Result, error) {
	t.Helper()
	var notes strings.Builder
	b := openTest(t, Config{State: state, Notes: &notes})
	request := p.request
	request.Output = t.TempDir()
	result, err := b.Build(t.Context(), request)
	must(t, b.Close())
	return notes.String(), result, err
}

func TestDamagedDatabases(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	for _, name := range databases {
		for damage, apply := range damages {
			for _, isSealed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s sealed=%v", filepath.Base(name), damage, isSealed), func(t *testing.T) {
					state := p.copy(t, isSealed)
					apply(t, filepath.Join(engineRoot(state), name))
					notes, _, err := p.tryBuild(t, state)
					if err != nil && (isSealed || damage != "flipped") {
						t.Errorf("building: %v", err)
					} else if err != nil {
						p.checkNamed(t, state, err)
						return
					}
					if isSealed && (!strings.Contains(notes, "damaged") || strings.Count(notes, "\n") != 1) {
						t.Errorf("the damage was told as %q, want one line", notes)
					}
					again, result := p.build(t, state)
					// A value that changed in a database without a seal is not seen; BuildKit may run its step again.
					if wasSeen := len(notes) > 0; len(again) > 0 || result == nil || wasSeen && !result.Cached {
						t.Errorf("the run after it says %q and gives %+v, want every step cached", again, result)
					}
				})
			}
		}
	}
}

// checkNamed wants an error that names the damaged state and the command that mends it, again as long as that command
// was not given. A value that changed in a database without a seal shows in a failing build at the earliest.
func (p *patient) checkNamed(t *testing.T, state string, err error) {
	t.Helper()
	for range 2 {
		named := new(diag.Error)
		if !errors.As(err, &named) || named.Class != diag.Environment || named.Hint != "sagebuild clean --all" {
			t.Errorf("the build failed with %v, want the damage named", err)
		}
		_, _, err = p.tryBuild(t, state)
	}
	_, err = Remove(t.Context(), state)
	must(t, err)
	p.build(t, state)
}

// A run that was killed between the making of a directory and its entry leaves one where the next would go.
func TestSnapshotOfNobody(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	state := p.copy(t, false)
	for id := range 20 {
		_ = os.Mkdir(filepath.Join(engineRoot(state), workerDir, "snapshots", "snapshots", fmt.Sprint(id)), 0o700)
	}
	if notes, result := p.build(t, state); len(notes) > 0 || result == nil || !result.Cached {
		t.Errorf("directories without entries: %q and %+v, want every step cached", notes, result)
	}
}

// What BuildKit itself cannot start with is set aside too.
func TestStateThatCannotStart(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	state := p.copy(t, false)
	db, err := bolt.Open(filepath.Join(engineRoot(state), workerDir, "metadata_v2.db"), 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error { return garble(tx.Bucket([]byte("_main"))) }))
	must(t, db.Close())
	notes, _ := p.build(t, state)
	if !strings.Contains(notes, "damaged") {
		t.Errorf("values that nothing parses were told as %q", notes)
	}
}

// garble makes every value below a bucket one that is not JSON.
func garble(b *bolt.Bucket) error {
	return b.ForEach(func(key, value []byte) error {
		if value == nil {
			return garble(b.Bucket(key))
		}
		return b.Put(key, []byte("{}l"))
	})
}

// What no run damaged is used as it is, whether the last one ended or was killed.
func TestSoundStateStays(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	for _, isSealed := range []bool{true, false} {
		notes, result := p.build(t, p.copy(t, isSealed))
		if len(notes) > 0 || !result.Cached {
			t.Errorf("sealed %v: a sound state says %q and gives %+v, want every step cached", isSealed, notes, result)
		}
	}
}

func TestLostSnapshotsAndContent(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	for _, dir := range []string{"snapshots/snapshots", "snapshots/snapshots/1", "executor", "content"} {
		t.Run(dir, func(t *testing.T) {
			state := p.copy(t, true)
			must(t, os.RemoveAll(filepath.Join(engineRoot(state), workerDir, dir)))
			p.build(t, state)
		})
	}
}

func TestRemoveOpensNothing(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	state := p.copy(t, true)
	for _, name := range databases {
		damages["half"](t, filepath.Join(engineRoot(state), name))
	}
	freed, err := Remove(t.Context(), state)
	if err != nil || freed < sizeOf(t, p.tool) {
		t.Errorf("removing a damaged cache freed %d bytes (%v), want at least the tool's", freed, err)
	}
	left, err := os.ReadDir(engineRoot(state))
	must(t, err)
	if len(left) != 1 || left[0].Name() != "lock" {
		t.Errorf("%v is left, want the lock alone", left)
	}
	b := openTest(t, Config{State: p.state})
	if _, err := Remove(t.Context(), p.state); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("removing a cache in use gave %v", err)
	}
	must(t, b.Close())
}
