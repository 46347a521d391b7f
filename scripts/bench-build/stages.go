package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
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

// stagesRun lists the stages with a RUN that was executed, sorted.
func stagesRun(events io.Reader) ([]string, error) {
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
	stages := slices.Sorted(maps.Values(ran))
	return countStages(stages), nil
}

// countStages folds neighbours: a, b, b becomes a, b (2 times).
func countStages(sorted []string) []string {
	var folded []string
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n] == sorted[0] {
			n++
		}
		name := sorted[0]
		if n > 1 {
			name = fmt.Sprintf("%s (%d times)", name, n)
		}
		folded, sorted = append(folded, name), sorted[n:]
	}
	return folded
}

// torchOf is the part of a target's name that says which torch: pytorch28.
func torchOf(target string) string {
	for word := range strings.SplitSeq(target, "-") {
		if strings.HasPrefix(word, "pytorch") {
			return word
		}
	}
	return target
}
