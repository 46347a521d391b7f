package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// world is where a campaign takes place: a source tree of its own, and a warm state that trials get copies of.
type world struct {
	sagebuild, work string
	seed            uint64
	journal         *journal
	took            time.Duration // a bake that packs a wheel and is not attacked
}

// newWorld makes, once for a work directory, the source tree and the warm state.
func newWorld(sagebuild, work string, seed uint64) (*world, error) {
	sagebuild, err := filepath.Abs(sagebuild)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("attacks on the embedded builder need root; run: sudo -E go run ./scripts/campaign")
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return nil, err
	}
	w := &world{sagebuild: sagebuild, work: work, seed: seed}
	if w.journal, err = openJournal(w.path(fmt.Sprintf("journal-%d.jsonl", seed))); err != nil {
		return nil, err
	}
	if err := once(w.path("source"), func(to string) error { return run("git", "clone", "--quiet", ".", to) }); err != nil {
		return nil, err
	}
	if err := once(w.path("warm"), w.makeWarm); err != nil {
		return nil, err
	}
	w.touch("the first")
	empty(w.path("dist"))
	started := time.Now()
	if o := w.bake(w.state("kills"), w.path("dist")); o.code != 0 {
		return nil, fmt.Errorf("a bake that nothing attacks fails: %s", o.said)
	}
	w.took = time.Since(started)
	return w, nil
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.work}, parts...)...)
}

func (w *world) makeWarm(to string) error {
	fmt.Println("making the warm state: a cold bake of the default wheel")
	if o := w.bake(to, w.path("dist")); o.code != 0 {
		return fmt.Errorf("the cold bake fails: %s", o.said)
	}
	return nil
}

// once makes path through a name that a stopped campaign may leave.
func once(path string, make func(to string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	partial := path + ".partial"
	if err := make(partial); err != nil {
		return err
	}
	return os.Rename(partial, path)
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// random is the source of a trial's choices, the same each time.
func (w *world) random(campaign string, number int) *rand.Rand {
	var stream uint64
	for _, c := range campaign {
		stream = stream*131 + uint64(c)
	}
	return rand.New(rand.NewPCG(w.seed, stream<<16+uint64(number)))
}

// touch makes the next bake pack another wheel, from the same kernels.
func (w *world) touch(text string) {
	path := w.path("source", "python", "sageattention", "quant.py")
	original, err := exec.Command("git", "-C", w.path("source"), "show", "HEAD:python/sageattention/quant.py").Output()
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(path, fmt.Appendf(original, "# %s\n", text), 0o644); err != nil {
		panic(err)
	}
}

// empty removes the wheels of a dist/, which may be a mount: one that is up to date would keep the next bake away from
// the state that was attacked.
func empty(dist string) {
	wheels, _ := filepath.Glob(filepath.Join(dist, "*.whl"))
	for _, wheel := range wheels {
		if err := os.Remove(wheel); err != nil {
			panic(err)
		}
	}
}

// state is a copy of the warm state that lives as long as the work directory.
func (w *world) state(name string) string {
	path := w.path(name + "-state")
	if err := once(path, w.fork); err != nil {
		panic(err)
	}
	return path
}

// fork copies the warm state. Layers and blobs are never written again once they are complete, so that links to them do;
// everything else is copied.
func (w *world) fork(to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := run("cp", "-al", w.path("warm"), to); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "fs" || entry.Name() == "blobs") {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		return unlink(path)
	})
}

// unlink gives path bytes of its own, where it shares them with the warm state.
func unlink(path string) error {
	copied := path + ".copy"
	if err := run("cp", "-a", path, copied); err != nil {
		return err
	}
	return os.Rename(copied, path)
}
