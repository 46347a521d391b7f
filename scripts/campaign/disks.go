package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// disks are the full disks of trials, in turn. Each returns what it did and how to undo it.
var disks = []func(w *world, p *places, random *rand.Rand) string{smallDist, fullState, noInodes, fullTemporary, readOnlyDist}

// places are the directories of a trial, and what their disks need undone.
type places struct {
	state, dist, temporary string
	small                  string         // the directory that an error has to name
	undo                   []func() error // makes room again
	mounts                 []string
}

// fillDisk bakes where a disk is full, then once more with room: the first time ends with the right directory and
// class or works, the second works and compiles nothing.
func fillDisk(w *world, number int) (t trial) {
	random := w.random("disks", number)
	p := &places{state: w.path("small-state"), dist: w.path("small-dist"), temporary: w.temporary()}
	made := []string{p.state, p.dist, p.temporary}
	w.touch(fmt.Sprintf("disk %d of seed %d", number, w.seed))
	defer p.remove(made)
	if err := os.MkdirAll(p.dist, 0o755); err != nil {
		panic(err)
	}
	t.What = disks[number%len(disks)](w, p, random)
	if !exists(p.state) {
		if err := w.fork(p.state); err != nil {
			panic(err)
		}
	}
	o := w.bake(p.state, p.dist, "TMPDIR="+p.temporary)
	t.Ended = o.String()
	t.Faults = append(sentenceFaults(o, 0, 3), wheelFaults(p.dist)...)
	if said := o.reason(); o.code == 3 && !strings.Contains(said, p.small) {
		t.fault("the error does not name %s: %s", p.small, said)
	}
	p.makeRoom()
	empty(p.dist)
	o = w.bake(p.state, p.dist)
	t.Ended += ", with room " + o.String()
	t.Faults = slices.Concat(t.Faults, sentenceFaults(o, 0), wheelFaults(p.dist))
	if o.compiled() {
		t.fault("the kernels were compiled again")
	}
	return t
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (p *places) makeRoom() {
	for _, undo := range p.undo {
		if err := undo(); err != nil {
			panic(err)
		}
	}
	p.undo = nil
}

// remove unmounts what a trial mounted and removes the directories that it made.
func (p *places) remove(made []string) {
	for _, dir := range p.mounts {
		if err := unix.Unmount(dir, 0); err != nil {
			panic(err)
		}
	}
	for _, dir := range made {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
	}
}

func (p *places) mountMemory(dir, options string) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	if err := run("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir); err != nil {
		panic(err)
	}
	p.mounts = append(p.mounts, dir)
}

// grow gives a mounted directory room.
func (p *places) grow(dir, options string) {
	p.undo = append(p.undo, func() error { return run("mount", "-o", "remount,"+options, dir) })
}

func smallDist(_ *world, p *places, random *rand.Rand) string {
	size := 100 + random.IntN(9000)
	p.mountMemory(p.dist, fmt.Sprintf("size=%dk", size))
	p.small = p.dist
	p.grow(p.dist, "size=1g")
	return "a dist/ on a small disk"
}

func noInodes(_ *world, p *places, random *rand.Rand) string {
	p.mountMemory(p.dist, fmt.Sprintf("size=1g,nr_inodes=%d", 2+random.IntN(7)))
	p.small = p.dist
	p.grow(p.dist, "nr_inodes=1000")
	return "a dist/ with few inodes"
}

func readOnlyDist(_ *world, p *places, _ *rand.Rand) string {
	p.mountMemory(p.dist, "size=1g,ro")
	p.small = p.dist
	p.grow(p.dist, "rw")
	return "a read-only dist/"
}

func fullTemporary(_ *world, p *places, _ *rand.Rand) string {
	p.mountMemory(p.temporary, "size=64k")
	if err := fill(filepath.Join(p.temporary, "full"), 1<<20); err == nil {
		panic("64 KB hold a megabyte")
	}
	p.small = p.temporary
	return "a full TMPDIR"
}

// fullState leaves the state's disk a few megabytes at most.
func fullState(w *world, p *places, random *rand.Rand) string {
	p.mountMemory(p.state, "size=4g")
	inner := filepath.Join(p.state, "state")
	if err := run("cp", "-a", w.path("warm"), inner); err != nil {
		panic(err)
	}
	left := random.Int64N(60 << 20)
	var disk unix.Statfs_t
	if err := unix.Statfs(p.state, &disk); err != nil {
		panic(err)
	}
	filler := filepath.Join(p.state, "filler")
	if err := fill(filler, int64(disk.Bavail)*disk.Bsize-left); err != nil {
		panic(err)
	}
	p.undo = append(p.undo, func() error { return os.Remove(filler) })
	p.small, p.state = inner, inner
	return "a state on a disk that is nearly full"
}

// fill makes a file of a size that takes its room.
func fill(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), 0, 0, size)
}
