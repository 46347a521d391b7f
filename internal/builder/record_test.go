package builder

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

func TestTail(t *testing.T) {
	tests := []struct {
		name   string
		chunks []string
		want   []string
	}{
		{"nothing", nil, nil},
		{"lines", []string{"a\nb\n"}, []string{"a", "b"}},
		{"line in two chunks", []string{"a\nb", "c\n"}, []string{"a", "bc"}},
		{"unfinished line", []string{"a\nb"}, []string{"a", "b"}},
		{"progress bar", []string{"10%\r50%\r", "100%\ndone\n"}, []string{"100%", "done"}},
		{"windows line ends", []string{"a\r\nb\r\n"}, []string{"a", "b"}},
		{"empty lines", []string{"a\n\nb\n"}, []string{"a", "", "b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got tail
			for _, chunk := range test.chunks {
				got.write([]byte(chunk))
			}
			if lines := got.lines(); !slices.Equal(lines, test.want) {
				t.Errorf("lines are %q, want %q", lines, test.want)
			}
		})
	}
}

// FuzzTail checks that how output is cut into chunks changes nothing.
func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\rc\n"), 3)
	f.Add([]byte("\r\n\r\r\n"), 1)
	f.Add([]byte(strings.Repeat("line\n", 50)), 100)
	f.Fuzz(func(t *testing.T, output []byte, cut int) {
		cut = max(0, min(cut, len(output)))
		var whole, parts tail
		whole.write(output)
		parts.write(output[:cut])
		parts.write(output[cut:])
		if !slices.Equal(whole.lines(), parts.lines()) {
			t.Errorf("whole gives %q, cut at %d %q", whole.lines(), cut, parts.lines())
		}
		if len(whole.lines()) > maxLogLines {
			t.Errorf("%d lines are kept, want at most %d", len(whole.lines()), maxLogLines)
		}
	})
}

func vertex(name, problem string, completed, cached bool) *client.Vertex {
	v := &client.Vertex{Digest: digest.FromString(name), Name: name, Error: problem, Cached: cached}
	if completed {
		now := time.Now()
		v.Completed = &now
	}
	return v
}

func TestCount(t *testing.T) {
	tests := []struct {
		name          string
		vertices      []*client.Vertex
		steps, cached int
	}{
		{"nothing", nil, 0, 0},
		{"internal work", []*client.Vertex{vertex("[internal] load .dockerignore", "", true, false), vertex("exporting to client directory", "", true, false)}, 0, 0},
		{"context", []*client.Vertex{vertex("[context base] load metadata", "", true, false)}, 0, 0},
		{"run", []*client.Vertex{vertex("[stage 2/3] RUN make", "", true, false)}, 1, 0},
		{"unnamed stage", []*client.Vertex{vertex("[2/3] COPY a /", "", true, true)}, 1, 1},
		{"platform", []*client.Vertex{vertex("[linux/amd64 kernels-sm90 10/12] RUN make", "", true, true)}, 1, 1},
		{"from", []*client.Vertex{vertex("[base 1/3] FROM debian", "", true, false)}, 0, 0},
		{"not needed", []*client.Vertex{vertex("[2/3] RUN make", "", false, false)}, 0, 0},
		{"mixed", []*client.Vertex{vertex("[2/3] RUN make", "", true, true), vertex("[3/3] ADD a /", "", true, false)}, 2, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRecord()
			r.add(&client.SolveStatus{Vertexes: test.vertices})
			if steps, cached := r.count(); steps != test.steps || cached != test.cached {
				t.Errorf("%d steps, %d cached, want %d and %d", steps, cached, test.steps, test.cached)
			}
		})
	}
}

func TestFailedIsTheFirstCause(t *testing.T) {
	r := newRecord()
	r.add(&client.SolveStatus{Vertexes: []*client.Vertex{
		vertex("[a 1/2] RUN one", "process did not complete: context canceled", true, false),
		vertex("[b 1/2] RUN two", "exit code: 1", true, false),
	}})
	if got := r.failed(); got == nil || got.Name != "[b 1/2] RUN two" {
		t.Errorf("failed step is %v, want the one that was not cancelled", got)
	}
	if got := newRecord().failed(); got != nil {
		t.Errorf("a record of nothing has the failed step %v", got)
	}
}

func TestReason(t *testing.T) {
	tests := []struct{ text, want string }{
		{`process "/bin/sh -c make" did not complete successfully: exit code: 2`, "exit code: 2"},
		{"failed to solve: no such stage", "no such stage"},
		{"first\nsecond", "first"},
		{"", ""},
	}
	for _, test := range tests {
		if got := reason(test.text); got != test.want {
			t.Errorf("reason(%q) is %q, want %q", test.text, got, test.want)
		}
	}
}

func TestShorten(t *testing.T) {
	if got := shorten("RUN  a \\\n  && b"); got != `RUN a \ && b` {
		t.Errorf("white space became %q", got)
	}
	if got := []rune(shorten(strings.Repeat("ä", 500))); len(got) != maxStepName {
		t.Errorf("a long name has %d letters, want %d", len(got), maxStepName)
	}
}

func TestPrefixed(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"[stage 1/2] RUN make", "[it stage 1/2] RUN make"},
		{"exporting", "[it] exporting"},
	} {
		if got := prefixed("it", test.name); got != test.want {
			t.Errorf("%q became %q, want %q", test.name, got, test.want)
		}
	}
}

// TestDisplayOfSharedSteps checks that a step of two requests is shown once.
func TestDisplayOfSharedSteps(t *testing.T) {
	var out strings.Builder
	d, err := newDisplay(Display{Mode: "plain", Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	records := []*record{newRecord(), newRecord()}
	for i, target := range []string{"first", "second"} {
		w, err := d.join(target, records[i])
		if err != nil {
			t.Fatal(err)
		}
		step := vertex("[stage 1/1] RUN make", "", false, false)
		now := time.Now()
		step.Started = &now
		w.Write(&client.SolveStatus{
			Vertexes: []*client.Vertex{step},
			Logs:     []*client.VertexLog{{Vertex: step.Digest, Data: []byte("compiling\n"), Timestamp: now}},
		})
	}
	for range records {
		if err := d.leave(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(out.String(), "compiling"); got != 1 {
		t.Errorf("the log line is shown %d times, want once:\n%s", got, out.String())
	}
	if strings.Contains(out.String(), "second") {
		t.Errorf("a shared step goes by its second name:\n%s", out.String())
	}
	for i, r := range records {
		if got := fmt.Sprint(r.log(digest.FromString("[stage 1/1] RUN make"))); got != "[compiling]" {
			t.Errorf("request %d has the log %s", i, got)
		}
	}
}

func TestDisplayModes(t *testing.T) {
	for _, mode := range []string{"", "auto", "plain", "json", "quiet", "tty"} {
		if _, err := newDisplay(Display{Mode: mode}); err != nil {
			t.Errorf("mode %q: %v", mode, err)
		}
	}
	if _, err := newDisplay(Display{Mode: "fancy"}); err == nil {
		t.Error("an unknown mode is accepted")
	}
}

// A step that two requests share counts for the one that it was shown for first.
func TestOwnTime(t *testing.T) {
	begin := time.Now()
	end := begin.Add(3 * time.Second)
	step := &client.Vertex{Digest: "sha256:a", Name: "[a 1/1] RUN make", Started: &begin, Completed: &end}
	d, err := newDisplay(Display{Mode: "quiet", Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	records := []*record{newRecord(), newRecord()}
	for i, target := range []string{"first", "second"} {
		w, err := d.join(target, records[i])
		if err != nil {
			t.Fatal(err)
		}
		w.Write(&client.SolveStatus{Vertexes: []*client.Vertex{step}})
	}
	for range records {
		if err := d.leave(); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := records[0].ownTime(), records[1].ownTime(); a != 3*time.Second || b != 0 {
		t.Errorf("the step took %v of the first request and %v of the second, want 3s and nothing", a, b)
	}
}
