package base

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRemove(t *testing.T) {
	state := t.TempDir()
	if freed, err := Remove(state); freed != 0 || err != nil {
		t.Errorf("an empty state directory: %d bytes, %v", freed, err)
	}
	kept := filepath.Join(state, "buildkit", "cache.db")
	for _, path := range []string{kept, filepath.Join(state, "bases", "base-1", "blob"), filepath.Join(state, "bases", "base.lock")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("seven b"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if freed, err := Remove(state); freed != 14 || err != nil {
		t.Errorf("freed %d bytes, %v; want 14", freed, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("more than the bases is gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(state, "bases")); !os.IsNotExist(err) {
		t.Errorf("bases is still there: %v", err)
	}
}
