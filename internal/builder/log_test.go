package builder

import (
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// BuildKit's gRPC says "<nil>" by Go's own logger when it cannot convert an error: a line that is no JSON among the progress.
func TestLibrariesLogToAFile(t *testing.T) {
	ours, theirs := log.Writer(), logrus.StandardLogger().Out
	t.Cleanup(func() { log.SetOutput(ours); logrus.SetOutput(theirs) })
	dir := t.TempDir()
	file, err := redirectLogs(dir)
	must(t, err)
	log.Print("said by one logger")
	logrus.Error("said by the other")
	must(t, file.Close())
	content, err := os.ReadFile(filepath.Join(dir, "engine.log"))
	must(t, err)
	for _, line := range []string{"said by one logger", "said by the other"} {
		if !strings.Contains(string(content), line) {
			t.Errorf("engine.log lacks %q:\n%s", line, content)
		}
	}
	if log.Writer() != io.Discard || logrus.StandardLogger().Out != io.Discard {
		t.Error("a library that logs later writes to a file that is closed")
	}
}
