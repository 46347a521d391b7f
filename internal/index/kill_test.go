package index

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

const publishForever = "SAGEBUILD_TEST_PUBLISH"

// TestMain makes this binary a process that publishes again and again, for the test that kills it.
func TestMain(m *testing.M) {
	if dirs := os.Getenv(publishForever); dirs != "" {
		publish(strings.Split(dirs, string(os.PathListSeparator)))
	}
	os.Exit(m.Run())
}

// publish alternates between two sets of wheels and says when the first site is there.
func publish(dirs []string) {
	for i := 0; ; i++ {
		if _, err := Build(context.Background(), Options{Dist: dirs[i%2], Output: dirs[2], AllowShrink: true, Replace: true}); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		if i == 1 {
			os.Stdout.WriteString("published\n")
		}
	}
}

// A killed run leaves one of the two sites whole.
func TestKilledRunLeavesAWholeSite(t *testing.T) {
	old := newPlace(t, of280(), cellOf("270.128", "2.7", "312"))
	next := newPlace(t, cellOf("260.126", "2.6", "312"), cellOf("270.128", "2.7", "311"))
	self, err := os.Executable()
	must(t, err)
	for round := range 8 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), publishForever+"="+strings.Join([]string{old.dist, next.dist, old.site}, string(os.PathListSeparator)))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if n, err := out.Read(make([]byte, 1)); n == 0 {
			t.Fatalf("nothing was published: %v", err)
		}
		time.Sleep(time.Duration(round*7) * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		checkSums(t, old.site)
	}
	options := old.options()
	options.AllowShrink = true
	_, err = Build(t.Context(), options)
	must(t, err)
	if left, err := os.ReadDir(old.site + "/.."); err != nil || len(left) != 1 {
		t.Errorf("beside the site lie %v, %v", left, err)
	}
}

func sortedLines(text string) []string {
	return slices.Sorted(strings.Lines(text))
}
