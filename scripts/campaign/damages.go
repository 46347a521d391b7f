package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// parts of a state directory that a trial may damage: patterns below it.
var parts = map[string][]string{
	"a database": {"buildkit/*.db", "buildkit/runc-*/*.db", "buildkit/runc-*/snapshots/*.db"},
	"a base":     {"bases/*/blobs/sha256/*", "bases/*/index.json", "bases/*/oci-layout"},
	"content":    {"buildkit/runc-*/content/blobs/sha256/*"},
	"a layer":    {"buildkit/runc-*/snapshots/snapshots/*/fs"},
	"a product":  {"buildkit/runc-*/snapshots/snapshots/*/fs/*.fatbin", "buildkit/runc-*/snapshots/snapshots/*/fs/*.cubin", "buildkit/runc-*/snapshots/snapshots/*/fs/*/*.cubin", "buildkit/runc-*/snapshots/snapshots/*/fs/*/*.so"},
	"the rest":   {"buildkit/*", "buildkit/runc-*/workerid", "buildkit/runc-*/executor"},
}

// ways to damage a file or, by its last, a directory.
var ways = map[string]func(path string, random *rand.Rand) error{
	"emptied":   func(path string, _ *rand.Rand) error { return os.Truncate(path, 0) },
	"truncated": func(path string, random *rand.Rand) error { return cutShort(path, random) },
	"flipped":   func(path string, random *rand.Rand) error { return flipBits(path, random) },
	"deleted":   func(path string, _ *rand.Rand) error { return os.RemoveAll(path) },
}

// enough is how long a bake that makes lost things again is watched.
const enough = 40 * time.Second

// damageState damages one thing in a copy of the warm state and bakes. A wheel that comes of it has the bytes of one
// of an undamaged state; an error names a command, which works.
func damageState(w *world, number int) (t trial) {
	random := w.random("damages", number)
	w.touch("a damaged state")
	good := w.undamaged()
	state, dist, temporary := w.path("damaged-state"), w.path("damaged-dist"), w.temporary()
	if err := w.fork(state); err != nil {
		panic(err)
	}
	defer os.RemoveAll(state)
	if err := os.RemoveAll(dist); err != nil {
		panic(err)
	}
	t.What = damage(state, random)
	o := w.start(state, dist, "TMPDIR="+temporary).waitAtMost(enough)
	t.Ended = o.String()
	t.Faults = slices.Concat(sentenceFaults(o, 0, 1, 3, 4, 130), wheelFaults(dist), leftFaults(state, dist, temporary))
	if wheels, _ := filepath.Glob(filepath.Join(dist, "*.whl")); len(wheels) > 0 {
		if err := sameBytes(wheels[0], good); err != nil {
			t.fault("%v", err)
		}
	}
	if o.code == 0 || o.code == 130 {
		return t
	}
	t.Faults = append(t.Faults, w.follow(o.first("hint:"), state, dist)...)
	return t
}

// follow does what a hint says where it is a clean, and bakes again.
func (w *world) follow(hint, state, dist string) (faults []string) {
	if !strings.HasPrefix(hint, "sagebuild clean") {
		return []string{"the hint mends no damaged state: " + hint}
	}
	args := append(strings.Fields(hint)[1:], "--state", state, "--dist", dist)
	if err := run(w.sagebuild, args...); err != nil {
		return []string{err.Error()}
	}
	return sentenceFaults(w.start(state, dist).waitAtMost(enough), 0, 130)
}

// undamaged is the wheel of the touched source from an undamaged state.
func (w *world) undamaged() string {
	dist := w.path("good")
	err := once(dist, func(to string) error {
		if o := w.bake(w.state("kills"), to); o.code != 0 {
			return fmt.Errorf("a bake of an undamaged state fails: %s", o.said)
		}
		return nil
	})
	wheels, _ := filepath.Glob(filepath.Join(dist, "*.whl"))
	if err != nil || len(wheels) != 1 {
		panic(fmt.Sprint("no good wheel: ", err))
	}
	return wheels[0]
}

// damage changes one thing below state and says what.
func damage(state string, random *rand.Rand) string {
	for {
		part := pick(random, parts)
		var found []string
		for _, pattern := range parts[part] {
			paths, _ := filepath.Glob(filepath.Join(state, pattern))
			found = append(found, paths...)
		}
		if len(found) == 0 {
			continue
		}
		path := found[random.IntN(len(found))]
		if strings.HasSuffix(path, ".lock") {
			continue
		}
		if part == "a layer" && random.IntN(2) == 0 {
			path = fileBelow(path, random)
		}
		way := pick(random, ways)
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			way = "deleted"
		} else if err := unlink(path); err != nil {
			panic(err)
		}
		if err := ways[way](path, random); err != nil {
			panic(err)
		}
		short, _ := filepath.Rel(state, path)
		return fmt.Sprintf("%s %s: %s", part, way, short)
	}
}

func pick[V any](random *rand.Rand, from map[string]V) string {
	names := make([]string, 0, len(from))
	for name := range from {
		names = append(names, name)
	}
	slices.Sort(names)
	return names[random.IntN(len(names))]
}

// fileBelow is a random regular file below dir, or dir.
func fileBelow(dir string, random *rand.Rand) string {
	var files []string
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return nil
	})
	if len(files) == 0 {
		return dir
	}
	return files[random.IntN(len(files))]
}

func cutShort(path string, random *rand.Rand) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return err
	}
	return os.Truncate(path, random.Int64N(info.Size()))
}

// flipBits flips a bit in each of up to 200 bytes.
func flipBits(path string, random *rand.Rand) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() == 0 {
		return err
	}
	for range 1 + random.IntN(200) {
		if err := flipByte(path, random.Int64N(info.Size())); err != nil {
			return err
		}
	}
	return nil
}

func flipByte(path string, at int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	one := make([]byte, 1)
	if _, err := file.ReadAt(one, at); err != nil {
		return err
	}
	one[0] ^= 0x10
	_, err = file.WriteAt(one, at)
	return err
}
