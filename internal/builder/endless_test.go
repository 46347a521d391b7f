//go:build linux

package builder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// Places in bbolt's pages: the header of a page is its number (8 bytes), flags (2), count (2) and overflow (4), the number
// of pages that continue it. Elements follow; that of a branch page is the place of its key (4), the key's length (4) and
// the page below it (8).
const (
	pageFlags, pageOverflow, firstElement = 8, 12, 16
	branchBelow                           = firstElement + 8
	branchFlag, freelistFlag              = 0x01, 0x10
)

// endless are what could make a check go on and on: a page below itself, and a list of free pages that claims a quarter of
// a billion others, of which bbolt notes each, in 20 GB and for minutes.
var endless = map[string]struct {
	flag   uint16 // of the page that is changed
	change func(page []byte)
	said   string
}{
	"ring": {branchFlag, func(page []byte) {
		copy(page[branchBelow:branchBelow+8], page[:8])
	}, "multiple references"},
	"free pages": {freelistFlag, func(page []byte) {
		binary.NativeEndian.PutUint32(page[pageOverflow:], 1<<28)
	}, "goes on beyond the end"},
}

// makeEndless changes the pages of a database that have the flag.
func makeEndless(t *testing.T, path string, flag uint16, change func(page []byte)) {
	t.Helper()
	data := []byte(readFile(t, path))
	size, changed := os.Getpagesize(), 0
	for at := 0; at+size <= len(data); at += size {
		if page := data[at : at+size]; binary.NativeEndian.Uint16(page[pageFlags:]) == flag {
			change(page)
			changed++
		}
	}
	if changed == 0 {
		t.Fatalf("%s has no page with flag %#x", path, flag)
	}
	must(t, os.WriteFile(path, data, 0o600))
}

// database has enough keys for a branch page.
func database(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.db")
	db, err := bolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte("bucket"))
		for i := range 500 {
			must(t, bucket.Put(fmt.Append(nil, "key ", i), make([]byte, 100)))
		}
		return err
	}))
	must(t, db.Close())
	return path
}

// The check of a database ends, whatever its pages say.
func TestCheckEnds(t *testing.T) {
	must(t, checkApart(t.Context(), database(t), "a database"))
	for name, damage := range endless {
		path := database(t)
		makeEndless(t, path, damage.flag, damage.change)
		err := checkApart(t.Context(), path, "a database")
		if found := new(damageError); !errors.As(err, &found) || !strings.Contains(found.what, damage.said) {
			t.Errorf("%s: the check says %v, want %q", name, err, damage.said)
		}
	}
}

// A run that finds such a database goes on with an empty cache, and says so.
func TestEndlessDatabaseIsSetAside(t *testing.T) {
	requireContainers(t)
	p := newPatient(t)
	state := p.copy(t, false)
	damage := endless["free pages"]
	makeEndless(t, filepath.Join(engineRoot(state), workerDir, "metadata_v2.db"), damage.flag, damage.change)
	notes, result := p.build(t, state)
	if !strings.Contains(notes, "the build cache is damaged (metadata_v2.db: ") || strings.Count(notes, "\n") != 1 || result == nil || result.Cached {
		t.Errorf("the run says %q and gives %+v, want one line and an empty cache", notes, result)
	}
}
