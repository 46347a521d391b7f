package object

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/finding"
	"github.com/sagebuild/sagebuild/internal/wheel/wheeltest"
)

// forward hides that bytes.Reader seeks, as a deflated member cannot.
func forward(name string, data []byte) Source {
	return Source{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

// TestFindExports wants the names that the random access reader lists, from a file and from a stream.
func TestFindExports(t *testing.T) {
	for _, name := range []string{"good.so", "symbols.so", "new_glibc.so"} {
		data := wheeltest.Fixture(t, name)
		object, err := describe(t, data)
		if err != nil || len(object.Exported) == 0 || len(object.Undefined) == 0 {
			t.Fatalf("%s: %d exported, %d undefined, error %v", name, len(object.Exported), len(object.Undefined), err)
		}
		wanted := map[string]bool{"absent": true, object.Undefined[0].Name: true}
		for _, exported := range object.Exported {
			wanted[exported] = true
		}
		if err := FindExports(forward(name, data), wanted); err != nil || len(wanted) != 2 || !wanted["absent"] {
			t.Errorf("%s: %v are left, error %v", name, wanted, err)
		}
	}
}

func TestFindExportsRefuses(t *testing.T) {
	good := wheeltest.Fixture(t, "good.so")
	for name, data := range map[string][]byte{"empty": nil, "text": []byte("#!/bin/sh"), "short": good[:len(good)/2]} {
		if err := FindExports(forward(name, data), map[string]bool{}); !isRefusal(err) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzFindExports(f *testing.F) {
	f.Add(wheeltest.Fixture(f, "good.so"))
	f.Add(wheeltest.Fixture(f, "symbols.so"))
	f.Fuzz(func(t *testing.T, data []byte) {
		FindExports(forward("a.so", data), map[string]bool{"main": true})
	})
}

// isRefusal tells bytes that were refused from bytes that could not be read.
func isRefusal(err error) bool {
	var refusal *finding.Refusal
	return errors.As(err, &refusal)
}
