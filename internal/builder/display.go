package builder

import (
	"context"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docker/buildx/util/progress"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// display is the one progress display of all requests that run at a time. It appears with the first request and ends
// with the last, when everything is written.
type display struct {
	out  io.Writer
	mode progressui.DisplayMode

	mu      sync.Mutex
	users   int
	printer *progress.Printer
	shown   map[digest.Digest]firstShown     // every step
	sources map[digest.Digest]*requestWriter // the request whose copy of a step's log is shown
}

func newDisplay(options Display) (*display, error) {
	out := options.Out
	if out == nil {
		out = os.Stderr
	}
	modes := map[string]progressui.DisplayMode{
		"": progressui.AutoMode, "auto": progressui.AutoMode, "tty": progressui.TtyMode,
		"plain": progressui.PlainMode, "json": progressui.RawJSONMode, "quiet": progressui.QuietMode,
	}
	mode, ok := modes[options.Mode]
	if !ok {
		return nil, diag.Usagef("sagebuild bake --progress auto|tty|plain|json|quiet", "unknown progress mode %q", options.Mode)
	}
	return &display{out: out, mode: mode}, nil
}

// join returns a writer for one request; leave ends its use.
func (d *display) join(target string, rec *record) (progress.Writer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == 0 {
		// Cancelling a build must not lose what the display has yet to say.
		printer, err := progress.NewPrinter(context.Background(), d.out, d.mode)
		if err != nil {
			return nil, err
		}
		d.printer, d.shown, d.sources = printer, map[digest.Digest]firstShown{}, map[digest.Digest]*requestWriter{}
	}
	d.users++
	return &requestWriter{Writer: d.printer, display: d, target: target, record: rec}, nil
}

func (d *display) leave() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users--; d.users > 0 {
		return nil
	}
	return d.printer.Wait()
}

// say shows a line as a step that took no time.
func (d *display) say(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == 0 {
		return
	}
	now := time.Now()
	d.printer.Write(&client.SolveStatus{Vertexes: []*client.Vertex{
		{Digest: digest.FromString(line), Name: line, Started: &now, Completed: &now},
	}})
}

// firstShown is the request that a step was shown for first, and its name there.
type firstShown struct{ target, name string }

// first returns how a step is shown: with the target before its name. Requests that share a step all report it, and it
// stays the first one's.
func (d *display) first(id digest.Digest, target, name string) firstShown {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.shown[id]; !known {
		d.shown[id] = firstShown{target, prefixed(target, name)}
	}
	return d.shown[id]
}

func prefixed(target, name string) string {
	if rest, ok := strings.CutPrefix(name, "["); ok {
		return "[" + target + " " + rest
	}
	return "[" + target + "] " + name
}

// requestWriter passes one request's progress to its record and, under the target's name, to the shared display.
type requestWriter struct {
	progress.Writer
	display *display
	target  string
	record  *record
}

// Write implements progress.Writer.
func (w *requestWriter) Write(status *client.SolveStatus) {
	shown := *status
	shown.Vertexes = make([]*client.Vertex, len(status.Vertexes))
	for i, v := range status.Vertexes {
		renamed := *v
		first := w.display.first(v.Digest, w.target, v.Name)
		renamed.Name = first.name
		if first.target == w.target {
			w.record.own(v.Digest)
		}
		shown.Vertexes[i] = &renamed
	}
	w.record.add(status)
	shown.Logs = w.ownLogs(status.Logs)
	w.Writer.Write(&shown)
}

// ValidateLogSource accepts every log, so that the record of each request that shares a step has its lines; ownLogs
// keeps them from being shown twice.
func (w *requestWriter) ValidateLogSource(digest.Digest, any) bool { return true }

// ClearLogSource implements progress.Writer. When a request ends early, another request shows the further logs of the
// steps that both share.
func (w *requestWriter) ClearLogSource(any) {
	w.display.mu.Lock()
	defer w.display.mu.Unlock()
	maps.DeleteFunc(w.display.sources, func(_ digest.Digest, source *requestWriter) bool { return source == w })
}

// ownLogs are the logs of steps that no other request shows.
func (w *requestWriter) ownLogs(logs []*client.VertexLog) []*client.VertexLog {
	w.display.mu.Lock()
	defer w.display.mu.Unlock()
	var own []*client.VertexLog
	for _, l := range logs {
		if w.display.sources[l.Vertex] == nil {
			w.display.sources[l.Vertex] = w
		}
		if w.display.sources[l.Vertex] == w {
			own = append(own, l)
		}
	}
	return own
}
