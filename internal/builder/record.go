package builder

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

const maxLogLines = 20

// stepName matches the progress names of Dockerfile steps: "[stage 2/5] RUN …".
var stepName = regexp.MustCompile(`^\[(?:[^\]]* )?\d+/\d+\] (?:RUN|COPY|ADD|WORKDIR) `)

// record keeps what one request's progress says about its steps.
type record struct {
	mu       sync.Mutex
	vertices map[digest.Digest]*client.Vertex
	order    []digest.Digest
	logs     map[digest.Digest]*tail
	owned    map[digest.Digest]bool // shown for no other request before
}

func newRecord() *record {
	return &record{vertices: map[digest.Digest]*client.Vertex{}, logs: map[digest.Digest]*tail{}, owned: map[digest.Digest]bool{}}
}

// add takes in one progress message.
func (r *record) add(status *client.SolveStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range status.Vertexes {
		if _, known := r.vertices[v.Digest]; !known {
			r.order = append(r.order, v.Digest)
		}
		r.vertices[v.Digest] = v
	}
	for _, l := range status.Logs {
		if r.logs[l.Vertex] == nil {
			r.logs[l.Vertex] = &tail{}
		}
		r.logs[l.Vertex].write(l.Data)
	}
}

// own says that a step was shown for this request first.
func (r *record) own(id digest.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned[id] = true
}

// ownTime sums how long the request's own steps took.
func (r *record) ownTime() (total time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, v := range r.vertices {
		if r.owned[id] && !v.Cached && v.Started != nil && v.Completed != nil {
			total += v.Completed.Sub(*v.Started)
		}
	}
	return total
}

// count returns how many Dockerfile steps were needed and how many of them came from the cache.
func (r *record) count() (steps, cached int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.vertices {
		if v.Completed == nil || !stepName.MatchString(v.Name) {
			continue
		}
		steps++
		if v.Cached {
			cached++
		}
	}
	return steps, cached
}

// failed is the step that failed by itself, or nil. Other steps with an error were cancelled because of it.
func (r *record) failed() *client.Vertex {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range r.order {
		v := r.vertices[id]
		if v.Error != "" && !strings.Contains(v.Error, "context canceled") && !strings.HasPrefix(v.Name, "[internal]") {
			return v
		}
	}
	return nil
}

// log returns the last lines of a step's output.
func (r *record) log(id digest.Digest) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logs[id] == nil {
		return nil
	}
	return r.logs[id].lines()
}

// tail keeps the last lines that were written to it.
type tail struct {
	done    []string
	partial string
}

// write takes a chunk of output. A carriage return starts the line again, as it does on a terminal, so only the last
// state of a progress bar stays.
func (t *tail) write(chunk []byte) {
	parts := strings.Split(t.partial+string(chunk), "\n")
	for _, line := range parts[:len(parts)-1] {
		t.done = append(t.done, lastState(line))
	}
	t.done = t.done[max(0, len(t.done)-maxLogLines):]
	t.partial = parts[len(parts)-1]
}

func (t *tail) lines() []string {
	all := t.done
	if last := lastState(t.partial); last != "" {
		all = append(all[:len(all):len(all)], last)
	}
	return all[max(0, len(all)-maxLogLines):]
}

func lastState(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}
