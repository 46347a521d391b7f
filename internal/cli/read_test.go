package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sagebuild/sagebuild/matrix"
)

func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", path).Run(); err != nil {
		t.Skip(err)
	}
	return path
}

func TestDefinitionFromAPipe(t *testing.T) {
	path, file := pipe(t), filepath.Join("..", "..", matrix.DefaultFile)
	go func() {
		definition, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		_ = os.WriteFile(path, definition, 0)
	}()
	got, err := loadMatrix(context.Background(), path)
	want, wrong := matrix.Load(file)
	if err = errors.Join(err, wrong); err != nil || len(got.Cells()) != len(want.Cells()) {
		t.Error(err)
	}
}

// The first Ctrl-C ends the wait for a pipe that nobody writes to.
func TestPipesAreInterrupted(t *testing.T) {
	path := pipe(t)
	for name, read := range map[string]func(context.Context) error{
		"definition": func(ctx context.Context) error { _, err := loadMatrix(ctx, path); return err },
		"policy":     func(ctx context.Context) error { _, err := loadPolicy(ctx, path); return err },
	} {
		ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- read(ctx) }()
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: still waiting", name)
		}
	}
}
