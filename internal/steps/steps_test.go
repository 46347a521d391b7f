package steps

import (
	"reflect"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	events := `{"vertexes":[{"digest":"a","name":"[all kernels-sm70-build 3/3] RUN compile","completed":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"b","name":"[all kernels-sm75-build 3/3] RUN compile","completed":"2026-01-01T00:00:00Z","cached":true}]}
{"vertexes":[{"digest":"c","name":"[all kernels 2/2] RUN fatbin"},{"digest":"d","name":"[all kernels 1/2] COPY x","completed":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"c","name":"[all kernels 2/2] RUN fatbin","completed":"2026-01-01T00:00:00Z"},{"digest":"e","name":"[all kernels 2/2] RUN fatbin","completed":"2026-01-01T00:00:00Z"}]}`
	got, err := Run(strings.NewReader(events))
	want := []string{"kernels", "kernels", "kernels-sm70-build"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}

func TestRunRefusesOtherText(t *testing.T) {
	if got, err := Run(strings.NewReader("#1 [internal] load build definition")); err == nil {
		t.Errorf("got %v; want an error", got)
	}
}
