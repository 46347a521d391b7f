package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sagebuild/sagebuild/internal/ui"
)

// killPackaging kills a bake at a random moment of packing and publishing. Every fourth trial runs it again, which must
// work, compile nothing and leave nothing.
func killPackaging(w *world, number int) (t trial) {
	random := w.random("kills", number)
	state, dist, temporary := w.state("kills"), w.path("dist"), w.temporary()
	w.touch(fmt.Sprintf("kill %d of seed %d", number, w.seed))
	after := time.Duration(random.Float64() * float64(w.took))
	t.What = fmt.Sprintf("kill -9 after %.1f s of %.1f", after.Seconds(), w.took.Seconds())
	o := w.start(state, dist, "TMPDIR="+temporary).kill(after)
	t.Ended = o.String()
	t.Faults = append(sentenceFaults(o, -1, 0), wheelFaults(dist)...)
	if number%4 != 3 {
		return t
	}
	empty(dist)
	o = w.bake(state, dist, "TMPDIR="+temporary)
	t.Ended += ", then " + o.String()
	t.Faults = slices.Concat(t.Faults, sentenceFaults(o, 0), wheelFaults(dist), leftFaults(state, dist, temporary))
	if o.compiled() {
		t.fault("the kernels were compiled again")
	}
	return t
}

// temporary is an empty TMPDIR.
func (w *world) temporary() string {
	dir := w.path("temporary")
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		panic(err)
	}
	return dir
}

// baseTime is how long a killed bake may have for its base.
const baseTime = 45 * time.Second

// killBase kills a first bake while it makes the base, on what earlier kills left. Every tenth trial lets it finish the
// base, and interrupts it then.
func killBase(w *world, number int) (t trial) {
	random := w.random("base-kills", number)
	state, dist, temporary := w.path("base-state"), w.path("base-dist"), w.temporary()
	after := time.Duration((0.02 + random.Float64()) * float64(baseTime))
	t.What = fmt.Sprintf("kill -9 after %.1f s", after.Seconds())
	o := w.start(state, dist, "TMPDIR="+temporary).kill(after)
	t.Ended = o.String()
	t.Faults = sentenceFaults(o, -1)
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.fault("outside the state directory is left: %s", ui.Count(len(left), "file"))
	}
	if number%10 == 9 {
		o = w.finishBase(state, dist, temporary)
		t.Ended += ", then " + o.String()
		t.Faults = slices.Concat(t.Faults, sentenceFaults(o, 130), leftFaults(state, dist, temporary))
		if err := os.RemoveAll(state); err != nil {
			t.fault("the state cannot be removed: %v", err)
		}
	}
	return t
}

// finishBase runs a bake until its base is complete, then interrupts it.
func (w *world) finishBase(state, dist, temporary string) outcome {
	r := w.start(state, dist, "TMPDIR="+temporary)
	ended := make(chan outcome)
	go func() { ended <- r.wait() }()
	for {
		select {
		case o := <-ended:
			return o
		case <-time.After(time.Second):
		}
		if made, _ := filepath.Glob(filepath.Join(state, "bases", "base-*", "index.json")); len(made) > 0 {
			_ = r.cmd.Process.Signal(syscall.SIGINT)
			return <-ended
		}
	}
}
