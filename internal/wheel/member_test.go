package wheel

import (
	"bytes"
	"os"
	"testing"

	"github.com/sagebuild/sagebuild/internal/wheel/content"
)

// TestSpoolSpills writes in small parts, beyond what stays in memory, and wants the same bytes back and no file left.
func TestSpoolSpills(t *testing.T) {
	directory := t.TempDir()
	t.Setenv("TMPDIR", directory)
	data := bytes.Repeat([]byte("\x7fELF and more "), 1000)
	keep := &spool{expect: int64(len(data)), limit: 4096}
	for at := 0; at < len(data); at += 1000 {
		if _, err := keep.Write(data[at:min(at+1000, len(data))]); err != nil {
			t.Fatal(err)
		}
	}
	defer keep.close()
	if keep.file == nil || keep.head.Len() != 0 {
		t.Errorf("%d bytes are in memory, the limit is %d", keep.head.Len(), keep.limit)
	}
	got, ok := content.Content{R: keep.reader(), Size: keep.size()}.Bytes(1 << 20)
	if !ok || !bytes.Equal(got, data) {
		t.Errorf("%d bytes came back of %d", len(got), len(data))
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
		t.Errorf("files left: %v, error %v", left, err)
	}
}

// TestSpoolDropsWhatNobodyReads keeps four bytes of a file that is neither ELF nor a fatbin.
func TestSpoolDropsWhatNobodyReads(t *testing.T) {
	keep := &spool{expect: 1 << 20, limit: 1 << 20}
	for range 100 {
		keep.Write([]byte("plain text"))
	}
	if keep.size() != magicBytes || keep.head.Len() != magicBytes {
		t.Errorf("%d bytes are kept", keep.size())
	}
}
