// Package steps reads BuildKit's progress, as `--progress json` prints it, and says which stages did work.
package steps

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"
)

// status is the part of BuildKit's progress that is read here.
type status struct {
	Vertexes []struct {
		Digest    string     `json:"digest"`
		Name      string     `json:"name"`
		Cached    bool       `json:"cached"`
		Completed *time.Time `json:"completed"`
	} `json:"vertexes"`
}

// stepName matches "[TARGET STAGE 2/3] RUN …", as BuildKit names the steps of a Dockerfile.
var stepName = regexp.MustCompile(`^\[\S+ (\S+) +\d+/\d+\] RUN `)

// Run lists the stages of which a RUN was executed, sorted; a stage that ran in several builds comes that often.
func Run(events io.Reader) ([]string, error) {
	ran := map[string]string{} // digest of the step → stage
	decoder := json.NewDecoder(events)
	for {
		var s status
		if err := decoder.Decode(&s); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the progress: %w", err)
		}
		for _, vertex := range s.Vertexes {
			name := stepName.FindStringSubmatch(vertex.Name)
			switch {
			case name == nil || vertex.Completed == nil:
			case vertex.Cached:
				delete(ran, vertex.Digest)
			default:
				ran[vertex.Digest] = name[1]
			}
		}
	}
	return slices.Sorted(maps.Values(ran)), nil
}
